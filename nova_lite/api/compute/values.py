"""JSON schemas of the values that many bodies and query strings of the Compute API share."""
import ipaddress
import re
import uuid

from nova_lite import exception

MAX_INT = 0x7FFFFFFF

TRUTHS = (True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes")
FALSEHOODS = (False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no")
BOOLEAN = {"type": ["boolean", "string"], "enum": [*TRUTHS, *FALSEHOODS]}

TEXT = {"type": "string"}
NAME = {"type": "string", "format": "name", "minLength": 1, "maxLength": 255}
ZONE_NAME = {"type": "string", "format": "az_name", "minLength": 1, "maxLength": 255}
HOST_NAME = {"type": "string", "pattern": "^[a-zA-Z0-9-._]*$", "minLength": 1, "maxLength": 255}
UUID = {"type": "string", "format": "uuid"}
POSITIVE = {"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": MAX_INT}
NOT_NEGATIVE = {**POSITIVE, "minimum": 0}
PAGE_SIZE = {"type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 0, "minLength": 1}

METADATA_KEY = "^[a-zA-Z0-9-_:. ]{1,255}$"
METADATA = {"type": "object", "patternProperties": {METADATA_KEY: {"type": "string", "maxLength": 255}}, "additionalProperties": False}
METADATA_WITH_NULL = {"type": "object", "patternProperties": {METADATA_KEY: {"type": ["string", "null"], "maxLength": 255}},
                      "additionalProperties": False}


def truth(value: bool | str) -> bool:
    """What a BOOLEAN value means."""
    return value in TRUTHS


def number(text: str, name: str) -> int:
    """A number of a path; -1, which no row has, for one that the database cannot hold. Raises Invalid."""
    if not re.fullmatch("-?[0-9]+", text):
        raise exception.Invalid(f"Invalid input received: {name} must be an integer")
    return int(text) if len(text) <= 10 and abs(int(text)) <= MAX_INT else -1


def address(text: str | None) -> str | None:
    """An IP address in the one form that answers and filters use; None stays None."""
    return text and str(ipaddress.ip_address(text))


def is_uuid(text: str) -> bool:
    """Whether a part of a path is a UUID, in any of the forms that people write."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
