"""What every thing of the Network API carries: owner under both names, description, revision and times."""
from nova_lite import clock
from nova_lite.api.view import Field

OWNER = (Field("tenant_id", "project_id"), Field("project_id", "project_id"))
STAMPS = (
    Field("description", "description"),
    Field("created_at", lambda row, request: clock.isoformat(row.created_at)),
    Field("updated_at", lambda row, request: clock.isoformat(row.updated_at or row.created_at)),
    Field("revision_number", "revision"),
)
