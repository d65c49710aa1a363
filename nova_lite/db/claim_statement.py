"""The statement that claims room for many servers on PostgreSQL: read it from top to bottom, each step is a part of one ``WITH``.

``asked``: the claims, as JSON. ``held``: their hosts' rows, locked in order of id, as they are now. ``fits``: for each claim whether its host has
room for it and for those before it. ``room``: what fits, by host. ``took``: the hosts' rows, raised where all of that fits still. ``served``: the
servers that still waited, handed over. Last the allocations, and what became of each claim. Used by ``db.claims``.
"""
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from nova_lite.db.allocations import CAPACITY, RESOURCES, fit
from nova_lite.db.models.base import Json, Moment
from nova_lite.db.models.compute import Allocation, Host, Server
from nova_lite.db.now import now

_HOSTS, _SERVERS, _ALLOCATIONS = Host.__table__, Server.__table__, Allocation.__table__
_TYPES = {"at": sa.Integer, "server_id": sa.Text, "token": sa.Text, "host_id": sa.Integer, "host": sa.Text, "node": sa.Text, "zone": sa.Text,
          "vcpus": sa.Integer, "memory_mb": sa.Integer, "disk_gb": sa.Integer, "decision": sa.Text}

_json = sa.func.json_to_recordset(sa.cast(sa.bindparam("asked", type_=sa.Text), postgresql.JSON)).table_valued(
    *(sa.column(name, kind) for name, kind in _TYPES.items()), name="given").render_derived(with_types=True)
asked = sa.select(*_json.c).cte("asked")

# From an array the planner expects few rows and takes the index; from ``asked`` it would read all hosts.
_ids = sa.bindparam("host_ids", type_=postgresql.ARRAY(sa.Integer))
held = sa.select(_HOSTS.c.id, *(_HOSTS.c[name] for name in CAPACITY)).where(_HOSTS.c.id == sa.any_(_ids)).order_by(_HOSTS.c.id).with_for_update(
    key_share=True).cte("held")

_window = {"partition_by": asked.c.host_id, "order_by": asked.c.at}
_running = {name: sa.func.sum(asked.c[name]).over(**_window) for name in RESOURCES}
fits = (
    sa.select(asked.c.server_id, asked.c.host_id, *(asked.c[name] for name in RESOURCES))
    .join(held, held.c.id == asked.c.host_id)
    .add_columns(sa.and_(*fit(held.c, _running, 1), *(held.c[name] >= asked.c[name] for name in RESOURCES)).label("alone"))
    .cte("fits"))

room = (
    sa.select(fits.c.host_id, sa.func.count().label("servers"), *(sa.cast(sa.func.sum(fits.c[name]), sa.Integer).label(name) for name in RESOURCES))
    .where(fits.c.alone).group_by(fits.c.host_id).cte("room"))

took = (
    sa.update(_HOSTS)
    .where(_HOSTS.c.id == room.c.host_id, *fit(_HOSTS.c, room.c, 1))
    .values(**{f"{name}_used": _HOSTS.c[f"{name}_used"] + room.c[name] for name in RESOURCES}, servers=_HOSTS.c.servers + room.c.servers,
            version=_HOSTS.c.version + 1, changed_at=now())
    .returning(_HOSTS.c.id).cte("took"))

fitting = sa.select(fits.c.server_id).join(took, took.c.id == fits.c.host_id).where(fits.c.alone).cte("fitting")

served = (
    sa.update(_SERVERS)
    .where(_SERVERS.c.id == asked.c.server_id, asked.c.server_id.in_(sa.select(fitting.c.server_id)), _SERVERS.c.task_id == asked.c.token,
           _SERVERS.c.task_state == "scheduling", _SERVERS.c.deleted.is_(False))
    .values(host=asked.c.host, node=asked.c.node, availability_zone=asked.c.zone, task_state="spawning",
            decision=sa.type_coerce(sa.func.coalesce(asked.c.decision, sa.type_coerce(_SERVERS.c.decision, sa.Text)), Json()),
            changed_at=sa.bindparam("moment", type_=Moment), updated_at=sa.bindparam("moment", type_=Moment))
    .returning(_SERVERS.c.id).cte("served"))

allocated = (
    sa.insert(_ALLOCATIONS)
    .from_select(["server_id", "host_id", *RESOURCES, "created_at"],
                 sa.select(asked.c.server_id, asked.c.host_id, *(asked.c[name] for name in RESOURCES), sa.bindparam("moment", type_=Moment))
                 .join(served, served.c.id == asked.c.server_id), include_defaults=False)
    .cte("allocated"))

CLAIM = (
    sa.select(asked.c.server_id, fitting.c.server_id.is_not(None).label("fits"), served.c.id.is_not(None).label("served"))
    .outerjoin(fitting, fitting.c.server_id == asked.c.server_id).outerjoin(served, served.c.id == asked.c.server_id).add_cte(allocated))
