"""``nova-lite-manage``: what an operator does beside the APIs: migrations, first users, services and hosts, options, audit."""
from nova_lite import concurrency

concurrency.patch()

import argparse  # noqa: E402
import getpass  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402

from nova_lite import clock, config, exception, log  # noqa: E402
from nova_lite.cmd import firsttime, wiring  # noqa: E402
from nova_lite.db import hosts as hosts_  # noqa: E402
from nova_lite.db import migrate  # noqa: E402


def db_upgrade(here, args) -> None:
    """Bring the database to the newest revision."""
    before = migrate.current(here.db)
    migrate.upgrade(here.db)
    print(f"{here.db.url.render_as_string()}: {before or 'empty'} -> {migrate.current(here.db)}")


def db_version(here, args) -> None:
    """Say which revision the database is at."""
    print(json.dumps({"current": migrate.current(here.db), "head": migrate.head()}))


def bootstrap(here, args) -> None:
    """Migrate and make the roles, the project and the user admin."""
    migrate.upgrade(here.db)
    password = args.password or here.conf.identity.admin_password
    made = firsttime.bootstrap(here, password)
    print("user admin was made" if made else "user admin was there already; its password is as it was")


def user_create(here, args) -> None:
    """Make a user with a role on a project, both made where they are missing."""
    from nova_lite.cmd import accounts
    password = args.password or getpass.getpass(f"Password of {args.name}: ")
    print(json.dumps(accounts.create(here, args.name, password, args.project, args.role)))


def services(here, args) -> None:
    """List the daemons."""
    now = clock.now()
    with here.db.read() as tx:
        rows = [(s.binary, s.host, "disabled" if s.disabled else "enabled",
                 "up" if hosts_.is_up(s, now, here.conf.service.down_time) else "down", s.epoch, clock.isoformat(s.last_seen_at) or "never")
                for s in hosts_.services(tx)]
    _table(("binary", "host", "status", "state", "epoch", "last seen"), rows)


def hosts(here, args) -> None:
    """List the compute hosts with what is used of them."""
    with here.db.read() as tx:
        rows = [(h.name, h.hypervisor_type, f"{h.vcpus_used}/{h.vcpus}", f"{h.memory_mb_used}/{h.memory_mb}", f"{h.disk_gb_used}/{h.disk_gb}",
                 h.servers) for h, _ in hosts_.hypervisors(tx)]
    _table(("host", "type", "vcpus", "memory MB", "disk GB", "servers"), rows)


def audit(here, args) -> None:
    """Look for anything left over or at odds: in the database, and on a compute host in its hypervisor, files and networks; else exit status 1."""
    from nova_lite.cmd import auditing
    found = auditing.audit(here, args.settle)
    if args.json:
        print(json.dumps(found))
    else:
        for finding in found:
            print(json.dumps(finding))
        print(f"{len(found)} differences")
    if found:
        raise SystemExit(1)


def scheduler_explain(here, args) -> None:
    """Say what the scheduler thinks of each host for a server."""
    from nova_lite.cmd import scheduling
    scheduling.explain(here, args)


def scheduler_capacity(here, args) -> None:
    """Say how many more servers of a flavor fit, and what binds."""
    from nova_lite.cmd import scheduling
    scheduling.capacity(here, args)


def quota_recount(here, args) -> None:
    """Set right the quota counters that differ from what they count, and print them."""
    from nova_lite.compute import quota
    with here.db.write() as tx:
        wrong = quota.recount(tx)
    for (owner, resource), (was, real) in wrong.items():
        print(json.dumps({"owner": owner, "resource": resource, "was": was, "is": real}))
    print(f"{len(wrong)} corrected")


def keys_rotate(here, args) -> None:
    """Seal new tokens with the next key; tokens sealed before stay good until the third rotation."""
    from nova_lite.cmd import apis
    from nova_lite.identity import keys
    keys.ensure(apis.keys_folder(here))
    keys.rotate(apis.keys_folder(here))
    print(f"rotated the keys in {apis.keys_folder(here)}; copy the folder to every other API host")


def config_show(here, args) -> None:
    """Print the options in force; secrets are masked."""
    for group, options in config.GROUPS.items():
        print(f"[{group}]")
        values = here.conf if group == "DEFAULT" else here.conf[group]
        for option in options:
            value = values[option.name]
            print(f"{option.name} = {'****' if option.secret and value else '' if value is None else value}")
        print()


def _table(titles: tuple, rows: list[tuple]) -> None:
    text = [[str(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(len(row[column]) for row in text) for column in range(len(titles))]
    for row in text:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


COMMANDS = {
    ("db", "upgrade"): (db_upgrade, ()),
    ("db", "version"): (db_version, ()),
    ("bootstrap", None): (bootstrap, (("--password", {"help": "of the user admin; random where neither this nor identity.admin_password is set"}),)),
    ("user", "create"): (user_create, (("name", {}), ("--password", {"help": "asked for where not given"}),
                                       ("--project", {"default": "admin"}), ("--role", {"default": "member"}))),
    ("service", "list"): (services, ()),
    ("host", "list"): (hosts, ()),
    ("audit", None): (audit, (("--json", {"action": "store_true", "help": "print one list"}),
                              ("--settle", {"type": float, "default": 3.0, "metavar": "SECONDS",
                                            "help": "what is found counts if it is still so after this long"}))),
    ("scheduler", "explain"): (scheduler_explain, (
        ("--flavor", {"required": True, "help": "id of the flavor"}), ("--image", {"help": "id of the image"}), ("--zone", {}),
        ("--project", {"help": "id of the project that asks"}), ("--hint", {"action": "append", "default": [], "metavar": "NAME=VALUE"}),
        ("--limit", {"type": int, "default": 1000, "help": "hosts to show"}))),
    ("scheduler", "capacity"): (scheduler_capacity, (("--flavor", {"required": True, "help": "id of the flavor"}),)),
    ("quota", "recount"): (quota_recount, ()),
    ("token-keys", "rotate"): (keys_rotate, ()),
    ("config", "show"): (config_show, ()),
}
"""noun, verb → what does it, and its arguments."""


def parser() -> argparse.ArgumentParser:
    """The command line, made of COMMANDS."""
    top = argparse.ArgumentParser(prog="nova-lite-manage", description="Operate a nova_lite cloud.")
    top.add_argument("--config-file", action="append", default=[], help="as the daemons read it; may be repeated")
    nouns = top.add_subparsers(dest="noun", required=True, metavar="COMMAND")
    groups: dict[str, argparse._SubParsersAction] = {}
    for (noun, verb), (function, arguments) in COMMANDS.items():
        if verb is None:
            leaf = nouns.add_parser(noun, help=function.__doc__)
        else:
            if noun not in groups:
                groups[noun] = nouns.add_parser(noun).add_subparsers(dest="verb", required=True, metavar="VERB")
            leaf = groups[noun].add_parser(verb, help=function.__doc__)
        for name, options in arguments:
            leaf.add_argument(name, **options)
        leaf.set_defaults(function=function)
    return top


def main() -> int:
    """Carry out one command; the exit status."""
    args = parser().parse_args()
    log.setup()
    try:
        conf = config.load([item for path in args.config_file for item in ("--config-file", path)], prog="nova-lite-manage")
        args.function(wiring.site(conf, lambda: None), args)
    except exception.NovaLiteError as error:
        print(f"nova-lite-manage: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
