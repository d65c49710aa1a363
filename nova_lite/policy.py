"""Policies: every rule name with its default, checked through oslo.policy; operators override them in policy.yaml.

Names are upstream's, so that an operator's policy lines carry over. ``RULES`` is the table: name, who may (a key of ``WHO``), what it allows.
"""
import importlib.metadata

from oslo_config import cfg
from oslo_policy import _checks, policy

from nova_lite import clock
from nova_lite import context as context_

WHO = {
    "anyone": "@",
    "admin": "rule:context_is_admin",
    "reader": "rule:project_reader_or_admin",
    "member": "rule:project_member_or_admin",
    "manager": "rule:project_manager_or_admin",
    "own user": "rule:context_is_admin or user_id:%(user_id)s",
    "service": "rule:context_is_admin or role:service",
    "own user or service": "rule:context_is_admin or role:service or user_id:%(user_id)s",
}

BASE = (
    ("context_is_admin", "role:admin", "Who counts as an administrator."),
    ("project_reader_or_admin", "rule:context_is_admin or project_id:%(project_id)s", "Who may look at a project's things."),
    ("project_member_or_admin", "rule:context_is_admin or (project_id:%(project_id)s and (role:member or role:manager or role:_member_))",
     "Who may change a project's things."),
    ("project_manager_or_admin", "rule:context_is_admin or (project_id:%(project_id)s and role:manager)", "Who may move a project's servers."),
)

COMPUTE = (
    ("os_compute_api:servers:index", "reader", "List servers"),
    ("os_compute_api:servers:index:get_all_tenants", "admin", "List the servers of all projects"),
    ("os_compute_api:servers:detail", "reader", "List servers with details"),
    ("os_compute_api:servers:detail:get_all_tenants", "admin", "List the servers of all projects with details"),
    ("os_compute_api:servers:allow_all_filters", "admin", "Use every filter of the server list"),
    ("os_compute_api:servers:show", "reader", "Show a server"),
    ("os_compute_api:servers:show:host_status", "admin", "See host_status of a server"),
    ("os_compute_api:servers:show:flavor-extra-specs", "reader", "See the flavor's extra specs in a server"),
    ("os_compute_api:servers:create", "member", "Create a server"),
    ("os_compute_api:servers:create:forced_host", "admin", "Create a server on a host of the caller's choice"),
    ("compute:servers:create:requested_destination", "admin", "Create a server on a host that the scheduler is to check"),
    ("os_compute_api:servers:create:attach_network", "member", "Create a server on networks"),
    ("os_compute_api:servers:create:trusted_certs", "member", "Create a server with trusted image certificates"),
    ("os_compute_api:servers:delete", "member", "Delete a server"),
    ("os_compute_api:servers:update", "member", "Update a server"),
    ("os_compute_api:servers:reboot", "member", "Reboot a server"),
    ("os_compute_api:servers:start", "member", "Start a server"),
    ("os_compute_api:servers:stop", "member", "Stop a server"),
    ("os_compute_api:servers:rebuild", "member", "Rebuild a server"),
    ("os_compute_api:servers:rebuild:trusted_certs", "member", "Rebuild a server with trusted image certificates"),
    ("os_compute_api:os-evacuate", "admin", "Make a server of a dead host anew on another"),
    ("os_compute_api:os-rescue", "member", "Rescue a server"),
    ("os_compute_api:os-unrescue", "member", "End a server's rescue"),
    ("os_compute_api:servers:create_image", "member", "Create an image of a server"),
    ("os_compute_api:os-create-backup", "member", "Create a backup of a server"),
    ("os_compute_api:os-admin-password", "member", "Change the administrator's password of a server"),
    ("os_compute_api:os-server-password:show", "reader", "Show the encrypted password that a server has told"),
    ("os_compute_api:os-server-password:clear", "member", "Forget the encrypted password that a server has told"),
    ("os_compute_api:servers:resize", "member", "Resize a server"),
    ("os_compute_api:servers:confirm_resize", "member", "Confirm a server's resize"),
    ("os_compute_api:servers:revert_resize", "member", "Revert a server's resize"),
    ("os_compute_api:servers:trigger_crash_dump", "member", "Make a server's system dump its memory"),
    ("os_compute_api:os-migrate-server:migrate", "manager", "Move a server to another host"),
    ("os_compute_api:os-migrate-server:migrate:host", "admin", "Name the host that a server moves to"),
    ("os_compute_api:os-migrate-server:migrate_live", "manager", "Move a server while it runs"),
    ("os_compute_api:os-migrate-server:migrate_live:host", "admin", "Name the host that a server moves to while it runs"),
    ("os_compute_api:os-migrations:index", "manager", "List migrations"),
    ("os_compute_api:os-migrations:index:all_projects", "admin", "List the migrations of all projects"),
    ("os_compute_api:os-migrations:index:host", "admin", "See the hosts of migrations in lists"),
    ("os_compute_api:servers:migrations:index", "manager", "List the live migrations of a server that are under way"),
    ("os_compute_api:servers:migrations:index:host", "admin", "See the hosts of a server's live migrations in lists"),
    ("os_compute_api:servers:migrations:show", "admin", "Show a live migration that is under way"),
    ("os_compute_api:servers:migrations:force_complete", "manager", "Hurry a server's live migration"),
    ("os_compute_api:servers:migrations:delete", "manager", "Abort a server's live migration"),
    ("os_compute_api:os-pause-server:pause", "member", "Pause a server"),
    ("os_compute_api:os-pause-server:unpause", "member", "Let a paused server go on"),
    ("os_compute_api:os-suspend-server:suspend", "member", "Suspend a server to disk"),
    ("os_compute_api:os-suspend-server:resume", "member", "Let a suspended server go on"),
    ("os_compute_api:os-shelve:shelve", "member", "Shelve a server"),
    ("os_compute_api:os-shelve:unshelve", "member", "Bring back a shelved server"),
    ("os_compute_api:os-shelve:unshelve_to_host", "admin", "Name the host that a shelved server comes back to"),
    ("os_compute_api:os-shelve:shelve_offload", "admin", "Have a shelved server leave its host"),
    ("os_compute_api:os-console-output", "member", "Read a server's console log"),
    ("os_compute_api:os-remote-consoles", "member", "Open a server's screen or serial line"),
    ("os_compute_api:os-console-auth-tokens", "admin", "See where a console that a token opens is"),
    ("os_compute_api:os-extended-server-attributes", "admin", "See host, hypervisor and other extended attributes of servers"),
    ("compute:server:topology:index", "reader", "See the NUMA nodes of a server"),
    ("compute:server:topology:host:index", "admin", "See on which CPUs of its host a server is"),
    ("os_compute_api:os-server-external-events:create", "service", "Say what has happened to servers"),
    ("os_compute_api:os-server-diagnostics", "admin", "See what a server's guest has used"),
    ("os_compute_api:os-lock-server:lock", "member", "Lock a server"),
    ("os_compute_api:os-lock-server:unlock", "member", "Unlock a server"),
    ("os_compute_api:os-lock-server:unlock:unlock_override", "admin", "Unlock or act on a server that somebody else locked"),
    ("os_compute_api:os-admin-actions:reset_state", "admin", "Set a server's state"),
    ("os_compute_api:os-admin-actions:inject_network_info", "admin", "Have a server's host look at its networks again"),
    ("os_compute_api:os-deferred-delete:restore", "member", "Restore a deleted server"),
    ("os_compute_api:os-deferred-delete:force", "member", "Delete a server at once"),
    ("os_compute_api:ips:index", "reader", "List a server's addresses"),
    ("os_compute_api:ips:show", "reader", "Show a server's addresses on one network"),
    ("os_compute_api:server-metadata:index", "reader", "List a server's metadata"),
    ("os_compute_api:server-metadata:show", "reader", "Show a metadata item of a server"),
    ("os_compute_api:server-metadata:create", "member", "Add metadata to a server"),
    ("os_compute_api:server-metadata:update_all", "member", "Replace a server's metadata"),
    ("os_compute_api:server-metadata:update", "member", "Set a metadata item of a server"),
    ("os_compute_api:server-metadata:delete", "member", "Delete a metadata item of a server"),
    ("os_compute_api:os-server-tags:index", "reader", "List a server's tags"),
    ("os_compute_api:os-server-tags:show", "reader", "Ask whether a server has a tag"),
    ("os_compute_api:os-server-tags:update", "member", "Add a tag to a server"),
    ("os_compute_api:os-server-tags:update_all", "member", "Replace a server's tags"),
    ("os_compute_api:os-server-tags:delete", "member", "Remove a tag of a server"),
    ("os_compute_api:os-server-tags:delete_all", "member", "Remove all tags of a server"),
    ("os_compute_api:os-instance-actions:list", "reader", "List a server's actions"),
    ("os_compute_api:os-instance-actions:show", "reader", "Show an action of a server"),
    ("os_compute_api:os-instance-actions:events", "admin", "See the events of an action before 2.51, and tracebacks"),
    ("os_compute_api:os-instance-actions:events:details", "admin", "See the details of an action's events"),
    ("os_compute_api:os-attach-interfaces:list", "reader", "List a server's ports"),
    ("os_compute_api:os-attach-interfaces:create", "member", "Attach a port to a server"),
    ("os_compute_api:os-attach-interfaces:delete", "member", "Detach a port from a server"),
    ("os_compute_api:os-attach-interfaces:show", "reader", "Show a port of a server"),
    ("os_compute_api:os-security-groups:list", "reader", "List a server's security groups"),
    ("os_compute_api:os-security-groups:add", "member", "Add a security group to a server's ports"),
    ("os_compute_api:os-security-groups:remove", "member", "Remove a security group from a server's ports"),
    ("os_compute_api:os-multinic:add", "member", "Add a fixed address to a server"),
    ("os_compute_api:os-multinic:remove", "member", "Remove a fixed address from a server"),
    ("os_compute_api:os-flavor-manage:create", "admin", "Create a flavor"),
    ("os_compute_api:os-flavor-manage:update", "admin", "Update a flavor"),
    ("os_compute_api:os-flavor-manage:delete", "admin", "Delete a flavor"),
    ("os_compute_api:os-flavor-access", "admin", "List who may use a flavor"),
    ("os_compute_api:os-flavor-access:add_tenant_access", "admin", "Let a project use a flavor"),
    ("os_compute_api:os-flavor-access:remove_tenant_access", "admin", "No longer let a project use a flavor"),
    ("os_compute_api:os-flavor-extra-specs:index", "reader", "List a flavor's extra specs"),
    ("os_compute_api:os-flavor-extra-specs:show", "reader", "Show an extra spec of a flavor"),
    ("os_compute_api:os-flavor-extra-specs:create", "admin", "Add extra specs to a flavor"),
    ("os_compute_api:os-flavor-extra-specs:update", "admin", "Set an extra spec of a flavor"),
    ("os_compute_api:os-flavor-extra-specs:delete", "admin", "Delete an extra spec of a flavor"),
    ("os_compute_api:os-keypairs:index", "own user", "List key pairs"),
    ("os_compute_api:os-keypairs:show", "own user", "Show a key pair"),
    ("os_compute_api:os-keypairs:create", "own user", "Create or import a key pair"),
    ("os_compute_api:os-keypairs:delete", "own user", "Delete a key pair"),
    ("os_compute_api:limits", "anyone", "See one's own limits"),
    ("os_compute_api:limits:other_project", "admin", "See another project's limits"),
    ("os_compute_api:os-availability-zone:list", "anyone", "List availability zones"),
    ("os_compute_api:os-availability-zone:detail", "admin", "List availability zones with their hosts"),
    ("os_compute_api:os-quota-sets:show", "reader", "Show a project's quotas"),
    ("os_compute_api:os-quota-sets:detail", "admin", "Show a project's quotas and usage"),
    ("os_compute_api:os-quota-sets:defaults", "anyone", "Show the default quotas"),
    ("os_compute_api:os-quota-sets:update", "admin", "Set a project's quotas"),
    ("os_compute_api:os-quota-sets:delete", "admin", "Put a project's quotas back to the defaults"),
    ("os_compute_api:os-quota-class-sets:show", "admin", "Show a quota class"),
    ("os_compute_api:os-quota-class-sets:update", "admin", "Set a quota class"),
    ("os_compute_api:os-simple-tenant-usage:list", "admin", "Show what every project used"),
    ("os_compute_api:os-simple-tenant-usage:show", "reader", "Show what a project used"),
    ("os_compute_api:os-instance-usage-audit-log:list", "admin", "List usage audits"),
    ("os_compute_api:os-instance-usage-audit-log:show", "admin", "Show the usage audits before a moment"),
    ("os_compute_api:os-services:list", "admin", "List services"),
    ("os_compute_api:os-services:update", "admin", "Enable, disable or force down a service"),
    ("os_compute_api:os-services:delete", "admin", "Delete a service"),
    ("os_compute_api:os-hypervisors:list", "admin", "List hypervisors"),
    ("os_compute_api:os-hypervisors:list-detail", "admin", "List hypervisors with details"),
    ("os_compute_api:os-hypervisors:show", "admin", "Show a hypervisor"),
    ("os_compute_api:os-hypervisors:statistics", "admin", "Show sums over all hypervisors"),
    ("os_compute_api:os-hypervisors:uptime", "admin", "Show how long a hypervisor's host runs"),
    ("os_compute_api:os-hypervisors:search", "admin", "Search hypervisors by host name"),
    ("os_compute_api:os-hypervisors:servers", "admin", "List the servers of hypervisors"),
    ("os_compute_api:os-hosts:list", "admin", "List hosts and their services"),
    ("os_compute_api:os-hosts:show", "admin", "Show what each project has on a host"),
    ("os_compute_api:os-hosts:update", "admin", "Let a host take servers, or not"),
    ("os_compute_api:os-hosts:start", "admin", "Power a host on"),
    ("os_compute_api:os-hosts:shutdown", "admin", "Power a host off"),
    ("os_compute_api:os-hosts:reboot", "admin", "Restart a host"),
    ("os_compute_api:os-aggregates:index", "admin", "List aggregates"),
    ("os_compute_api:os-aggregates:show", "admin", "Show an aggregate"),
    ("os_compute_api:os-aggregates:create", "admin", "Create an aggregate"),
    ("os_compute_api:os-aggregates:update", "admin", "Update an aggregate"),
    ("os_compute_api:os-aggregates:delete", "admin", "Delete an aggregate"),
    ("os_compute_api:os-aggregates:add_host", "admin", "Add a host to an aggregate"),
    ("os_compute_api:os-aggregates:remove_host", "admin", "Remove a host from an aggregate"),
    ("os_compute_api:os-aggregates:set_metadata", "admin", "Set an aggregate's metadata"),
    ("os_compute_api:os-server-groups:index", "reader", "List server groups"),
    ("os_compute_api:os-server-groups:index:all_projects", "admin", "List the server groups of all projects"),
    ("os_compute_api:os-server-groups:show", "reader", "Show a server group"),
    ("os_compute_api:os-server-groups:create", "member", "Create a server group"),
    ("os_compute_api:os-server-groups:delete", "member", "Delete a server group"),
    ("os_compute_api:extensions", "anyone", "List the extensions of the Compute API"),
)
LITE = (
    ("nova_lite:scheduler:explain", "admin", "Ask what the scheduler thinks of each host for a server"),
    ("nova_lite:scheduler:capacity", "admin", "Ask how many more servers of a flavor fit"),
    ("nova_lite:scheduler:decision", "admin", "Ask how the scheduler came to a server's host"),
)

IDENTITY = tuple(
    (f"identity:{name}", who, text) for name, who, text in (
        ("get_user", "own user", "Show a user"), ("list_users", "admin", "List users"), ("create_user", "admin", "Create a user"),
        ("update_user", "admin", "Update a user"), ("delete_user", "admin", "Delete a user"),
        ("change_password", "own user", "Change one's own password"),
        ("get_project", "reader", "Show a project"), ("list_projects", "admin", "List projects"),
        ("list_user_projects", "own user", "List a user's projects"),
        ("create_project", "admin", "Create a project"), ("update_project", "admin", "Update a project"),
        ("delete_project", "admin", "Delete a project"),
        ("get_role", "admin", "Show a role"), ("list_roles", "admin", "List roles"), ("create_role", "admin", "Create a role"),
        ("update_role", "admin", "Update a role"), ("delete_role", "admin", "Delete a role"),
        ("list_grants", "admin", "List roles on a project"), ("create_grant", "admin", "Give a role"), ("revoke_grant", "admin", "Take a role"),
        ("check_grant", "admin", "Ask for a role"), ("list_role_assignments", "admin", "List role assignments"),
        ("get_domain", "anyone", "Show a domain"), ("list_domains", "admin", "List domains"),
        ("create_domain", "admin", "Create a domain"), ("update_domain", "admin", "Change a domain"), ("delete_domain", "admin", "Delete a domain"),
        ("list_services", "admin", "List services of the catalog"), ("list_endpoints", "admin", "List endpoints of the catalog"),
        ("list_regions", "anyone", "List regions"), ("get_region", "anyone", "Show a region"),
        ("validate_token", "own user or service", "Show a token"), ("revoke_token", "own user", "Revoke a token")))

IMAGE = tuple(
    (name, who, text) for name, who, text in (
        ("get_images", "reader", "List images"), ("get_image", "reader", "Show an image"), ("add_image", "member", "Create an image"),
        ("modify_image", "member", "Change an image"), ("delete_image", "member", "Delete an image"),
        ("publicize_image", "admin", "Make an image public"), ("communitize_image", "member", "Make an image a community image"),
        ("download_image", "reader", "Download an image"), ("upload_image", "member", "Upload an image's data"),
        ("get_members", "reader", "List who an image is shared with"), ("add_member", "member", "Share an image"),
        ("modify_member", "member", "Accept or reject a shared image"), ("delete_member", "member", "No longer share an image"),
        ("deactivate", "member", "Deactivate an image"), ("reactivate", "member", "Reactivate an image")))

NETWORK = tuple(
    (f"{verb}_{noun}", who, f"{verb.capitalize()} a {noun.replace('_', ' ')}")
    for noun in ("network", "subnet", "port", "security_group", "security_group_rule")
    for verb, who in (("get", "reader"), ("create", "member"), ("update", "member"), ("delete", "member"))) + (
        ("create_network:shared", "admin", "Create a network for all projects"),
        ("create_network:provider", "admin", "Choose a network's segment"),
        ("get_network:provider", "admin", "See a network's segment"),
        ("create_port:binding", "admin", "Choose or see a port's host"),
        ("get_extensions", "anyone", "List the extensions of the Network API"),
        ("get_quota", "reader", "Show a project's network quotas"),
        ("update_quota", "admin", "Set a project's network quotas"),
        ("delete_quota", "admin", "Put a project's network quotas back to the defaults"))

RULES = COMPUTE + LITE + IDENTITY + IMAGE + NETWORK


def list_rules() -> list[policy.RuleDefault]:
    """The table as oslo.policy wants it (entry point ``oslo.policy.policies``)."""
    base = [policy.RuleDefault(name, check, description) for name, check, description in BASE]
    return base + [policy.RuleDefault(name, WHO[who], text) for name, who, text in RULES]


class _Checks(dict):
    """Kinds of checks that come by entry point (http, https), each loaded by the first rule that has one.

    oslo.policy itself loads all of them for any rule, and with them ``requests``: 4 MB.
    """

    def __getitem__(self, kind: str):
        return super().__getitem__(kind).load()


FRESH_SECONDS = 1.0
MOST_VERDICTS = 10_000


class Policy:
    """Answers whether a caller may do what a rule names. ``path``: the operator's overrides (may be missing)."""

    def __init__(self, path: str | None = None):
        conf = cfg.ConfigOpts()
        conf([], project="nova_lite_policy", default_config_files=[])
        _checks.extension_checks = _Checks({entry.name: entry for entry in importlib.metadata.entry_points(group="oslo.policy.rule_checks")})
        self._enforcer = policy.Enforcer(conf, policy_file=path or "/nonexistent/policy.yaml", fallback_to_json_file=False)
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.register_defaults(list_rules())
        self._enforcer.load_rules()
        self._verdicts: dict[tuple, bool] = {}
        self._fresh_until = 0.0

    def allows(self, rule: str, ctx: context_.RequestContext, target: dict | None = None) -> bool:
        """Whether ``ctx`` may do ``rule`` on ``target`` (``project_id``, ``user_id``; the caller's own where None).

        Raises oslo_policy's PolicyNotRegistered for a name that is not in the table: a mistake of ours.
        """
        if target is None:
            target = {"project_id": ctx.project_id, "user_id": ctx.user_id}
        now = clock.monotonic()
        if now > self._fresh_until or len(self._verdicts) > MOST_VERDICTS:
            # The enforcer looks at the operator's file at each question; once a second is enough.
            self._verdicts.clear()
            self._fresh_until = now + FRESH_SECONDS
        key = (rule, ctx.user_id, ctx.project_id, ctx.roles, ctx.is_admin, *target.items())
        if key not in self._verdicts:
            credentials = {"user_id": ctx.user_id, "project_id": ctx.project_id, "roles": list(ctx.roles), "is_admin": ctx.is_admin}
            self._verdicts[key] = bool(self._enforcer.authorize(rule, _known(target), _known(credentials)))
        return self._verdicts[key]


def _known(values: dict) -> dict:
    # oslo.policy compares text: nobody's None would equal nothing's None, and an unscoped token own every thing without a project.
    return {name: value for name, value in values.items() if value is not None}
