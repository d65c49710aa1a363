"""RequestContext: who asks, for which project, under which request id. Made by the API's authentication, carried by every RPC."""
import dataclasses
import uuid


def new_request_id() -> str:
    """``req-<uuid4>``, the form that OpenStack clients and logs expect."""
    return f"req-{uuid.uuid4()}"


@dataclasses.dataclass(frozen=True)
class RequestContext:
    """Immutable; ``roles`` are lower-case names. ``project_id`` is None for an unscoped token."""

    request_id: str = dataclasses.field(default_factory=new_request_id)
    user_id: str | None = None
    user_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    remote_address: str | None = None
    user_domain_id: str = "default"
    project_domain_id: str = "default"
    system_scope: str | None = None

    def to_dict(self) -> dict:
        """Plain values, for the wire."""
        values = dataclasses.asdict(self)
        values["roles"] = list(self.roles)
        return values

    @classmethod
    def from_dict(cls, values: dict) -> "RequestContext":
        """The inverse of to_dict; unknown keys (of a newer sender) are dropped."""
        known = {field.name for field in dataclasses.fields(cls)}
        kept = {key: value for key, value in values.items() if key in known}
        kept["roles"] = tuple(kept.get("roles") or ())
        return cls(**kept)

    @classmethod
    def for_service(cls) -> "RequestContext":
        """The context of work nobody asked for: sweeps, periodic tasks, event handlers."""
        return cls(is_admin=True, roles=("admin", "service"))
