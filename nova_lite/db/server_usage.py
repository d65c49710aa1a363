"""SQL behind usage reports: the servers that ran in a span of time, deleted ones too."""
import datetime

import sqlalchemy as sa

from nova_lite import exception
from nova_lite.db.models import Server

COLUMNS = (Server.id, Server.project_id, Server.name, Server.flavor, Server.vm_state, Server.launched_at, Server.terminated_at)


def running_between(tx, begin: datetime.datetime, end: datetime.datetime, project_id: str | None, limit: int, marker: str | None) -> list:
    """A page of rows of COLUMNS, by project and id: servers launched before ``end`` that had not terminated by ``begin``.

    ``project_id``: None is all projects. Raises Invalid for an unknown marker.
    """
    query = sa.select(*COLUMNS).where(Server.launched_at < end, sa.or_(Server.terminated_at.is_(None), Server.terminated_at > begin))
    if project_id is not None:
        query = query.where(Server.project_id == project_id)
    if marker is not None:
        of_marker = tx.scalar(sa.select(Server.project_id).where(Server.id == marker))
        if of_marker is None:
            raise exception.Invalid(f"marker [{marker}] not found")
        query = query.where(sa.or_(Server.project_id > of_marker, sa.and_(Server.project_id == of_marker, Server.id > marker)))
    return list(tx.execute(query.order_by(Server.project_id, Server.id).limit(limit)))
