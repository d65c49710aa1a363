"""A scheduler's options made into its settings, and the operator's two questions to one that runs in ``nova-lite-manage`` itself.

Imported where a scheduler is really needed: numpy costs 20 MB.
"""
import dataclasses
import json

from nova_lite import exception
from nova_lite.cmd.wiring import Site
from nova_lite.context import RequestContext
from nova_lite.db import flavors as flavors_
from nova_lite.image.actions import images
from nova_lite.pci import aliases
from nova_lite.scheduler.core.request import Options
from nova_lite.scheduler.manager import Manager, Settings


def settings(conf) -> Settings:
    """What the manager needs of the options."""
    known = {field.name for field in dataclasses.fields(Options)} - {"multipliers"}
    values = {name: conf.scheduler[name] for name in conf.scheduler if name in known}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    values["max_servers_per_host"] = conf.scheduler.max_instances_per_host
    values["pci_aliases"] = aliases.read(conf.pci.alias)
    for name in ("metrics_weight_setting", "image_props_weight_setting"):
        values[name] = _ratios(name, conf.scheduler[name])
    multipliers = {name: conf.scheduler[name] for name in conf.scheduler if name.endswith("_weight_multiplier")}
    try:
        multipliers |= {name: float(text) for name, text in conf.scheduler.weight_multipliers.items()}
    except ValueError as error:
        raise exception.ConfigurationError(reason=f"scheduler.weight_multipliers: {error}")
    return Settings(
        host=conf.host, options=Options(multipliers=multipliers, **values), default_zone=conf.compute.default_availability_zone,
        default_schedule_zone=conf.compute.default_schedule_zone, max_attempts=conf.scheduler.max_attempts, down_time=conf.service.down_time,
        refresh_interval=conf.scheduler.refresh_interval, hear_interval=min(5.0, conf.service.report_interval))


def _ratios(option: str, texts: list[str]) -> tuple[tuple[str, float], ...]:
    pairs = [text.partition("=") for text in texts]
    try:
        return tuple((name.strip(), float(ratio)) for name, _equals, ratio in pairs)
    except ValueError as error:
        raise exception.ConfigurationError(reason=f"scheduler.{option}: {error}")


def manager(here: Site, fail, *more) -> Manager:
    """A scheduler's manager. Raises ConfigurationError for a filter or weigher that does not exist or does not load."""
    try:
        return Manager(here.db, here.compute, fail, settings(here.conf), *more)
    except ValueError as error:
        raise exception.ConfigurationError(reason=str(error))


def _asking(here: Site, flavor_id: str) -> tuple[Manager, RequestContext, dict]:
    ctx = RequestContext.for_service()
    with here.db.read() as tx:
        flavor = flavors_.snapshot(flavors_.get(tx, ctx, flavor_id))
    asked = manager(here, None)
    asked.start()
    return asked, ctx, flavor


def explain(here: Site, args) -> None:
    """Say what the scheduler thinks of each host for a server: JSON."""
    asked, ctx, flavor = _asking(here, args.flavor)
    image = {}
    if args.image:
        with here.db.read() as tx:
            image = images.get_for_server(tx, ctx, args.image)
    hints = dict(hint.partition("=")[::2] for hint in args.hint)
    request = {"availability_zone": args.zone, "hints": hints}
    ctx = dataclasses.replace(ctx, project_id=args.project)
    print(json.dumps(asked.explain(ctx, flavor=flavor, image=image, request=request, image_id=args.image, group_id=None, limit=args.limit), indent=1))


def capacity(here: Site, args) -> None:
    """Say how many more servers of a flavor fit, and what binds: JSON."""
    asked, ctx, flavor = _asking(here, args.flavor)
    print(json.dumps(asked.capacity(ctx, flavor=flavor), indent=1))
