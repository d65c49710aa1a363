"""JSON patches of images: from the body of a PATCH to what changes. Pure; called by ``api.image.images``.

Two forms: ``{"op": "replace", "path": "/name", "value": ...}`` (v2.1) and ``{"replace": "/name", "value": ...}`` (v2.0).
"""
from dataclasses import dataclass
from typing import Any

from nova_lite import exception
from nova_lite.image import attributes

OPERATIONS = ("add", "remove", "replace")
V21 = "application/openstack-images-v2.1-json-patch"
V20 = "application/openstack-images-v2.0-json-patch"


@dataclass(frozen=True)
class Change:
    """One operation on one attribute or property."""

    operation: str
    name: str
    value: Any = None


def parse(content: Any, form: str) -> list[Change]:
    """The operations of a body. ``form``: its content type. Raises Invalid, and Forbidden for what only the service sets."""
    if not isinstance(content, list):
        raise exception.Invalid("Request body must be a JSON array of operation objects.")
    return [_parse_one(raw, form) for raw in content]


def _parse_one(raw: Any, form: str) -> Change:
    if not isinstance(raw, dict):
        raise exception.Invalid("Operations must be JSON objects.")
    operation, pointer = _v21(raw) if form == V21 else _v20(raw)
    name = _decode(pointer)
    if operation != "remove" and "value" not in raw:
        raise exception.Invalid(f'Operation "{operation}" requires a member named "value".')
    known = attributes.BY_NAME.get(name)
    if name == "id" or known is not None and known.read_only:
        raise exception.Forbidden(f"Attribute '{name}' is read-only.")
    if attributes.is_reserved(name):
        raise exception.Forbidden(f"Attribute '{name}' is reserved.")
    return Change(operation, name, raw.get("value"))


def _v21(raw: dict) -> tuple[str, Any]:
    if raw.get("op") not in OPERATIONS:
        raise exception.Invalid(f"Unable to find `op` in JSON Schema change. It must be one of the following: {', '.join(OPERATIONS)}.")
    if "path" not in raw:
        raise exception.Invalid("Unable to find 'path' in JSON Schema change")
    return raw["op"], raw["path"]


def _v20(raw: dict) -> tuple[str, Any]:
    found = [name for name in OPERATIONS if name in raw]
    if len(found) != 1:
        raise exception.Invalid('Operation objects must contain exactly one member named "add", "remove", or "replace".')
    return found[0], raw[found[0]]


def _decode(pointer: Any) -> str:
    """The name in a JSON pointer of one step."""
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise exception.Invalid(f'Pointer `{pointer}` does not start with "/".')
    step = pointer[1:]
    if "/" in step or not step.strip():
        raise exception.Invalid(f"Invalid JSON pointer for this resource: '{pointer}'")
    if "~" in step.replace("~0", "").replace("~1", ""):
        raise exception.Invalid(f'Pointer `{pointer}` contains "~" not part of a recognized escape sequence.')
    return step.replace("~1", "/").replace("~0", "~").strip()


@dataclass
class Outcome:
    """What to write: columns by name; properties with None for those to remove; all tags, or None for no change."""

    columns: dict[str, Any]
    properties: dict[str, str | None]
    tags: list[str] | None = None


def apply(changes: list[Change], properties: dict[str, str], status: str) -> Outcome:
    """The sum of ``changes`` on an image with these properties, in this status. Raises Conflict, Forbidden."""
    outcome, present = Outcome({}, {}), dict(properties)
    for change in changes:
        if change.name in attributes.BY_NAME:
            _apply_to_attribute(change, status, outcome)
        else:
            _apply_to_property(change, present, outcome)
    return outcome


def _apply_to_attribute(change: Change, status: str, outcome: Outcome) -> None:
    if change.operation == "remove":
        raise exception.Forbidden(f"Property {change.name} may not be removed.")
    if attributes.BY_NAME[change.name].once and status != "queued":
        raise exception.Forbidden(f"Attribute {change.name} can be replaced only for a queued image.")
    if change.name == "tags":
        outcome.tags = sorted(set(change.value))
    else:
        outcome.columns[change.name] = change.value


def _apply_to_property(change: Change, present: dict[str, str], outcome: Outcome) -> None:
    if change.operation != "add" and change.name not in present:
        raise exception.Conflict(f"Property {change.name} does not exist.")
    if change.operation == "remove":
        del present[change.name]
        outcome.properties[change.name] = None
    else:
        present[change.name] = outcome.properties[change.name] = change.value
