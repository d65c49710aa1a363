"""The one domain: its id and name are those that every OpenStack cloud starts with."""
from nova_lite import exception

DEFAULT_ID = "default"
DEFAULT_NAME = "Default"


def resolve(reference: dict | None) -> str | None:
    """The id of the domain that ``{"id": ...}`` or ``{"name": ...}`` means, or None where there is none. None means the default domain."""
    if reference is None:
        return DEFAULT_ID
    if reference.get("id") == DEFAULT_ID or (reference.get("id") is None and reference.get("name") == DEFAULT_NAME):
        return DEFAULT_ID
    return None


def require(domain_id: str) -> None:
    """Raises NotFound unless ``domain_id`` is the default domain."""
    if domain_id != DEFAULT_ID:
        raise exception.NotFound(f"Could not find domain: {domain_id}.")
