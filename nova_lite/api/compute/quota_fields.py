"""The resources that have quotas, as one table: which the API shows and takes at which version."""
from nova_lite.api.body import Param
from nova_lite.api.view import Field

LIMIT = {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "minimum": -1, "maximum": 0x7FFFFFFF}

# resource | last version of it in quota sets | in quota class sets | first version in a quota class set's answer
RESOURCES = (
    ("instances", None, None, None),
    ("cores", None, None, None),
    ("ram", None, None, None),
    ("fixed_ips", "2.35", "2.49", None),
    ("floating_ips", "2.35", "2.49", None),
    ("metadata_items", None, None, None),
    ("injected_files", "2.56", "2.56", None),
    ("injected_file_content_bytes", "2.56", "2.56", None),
    ("injected_file_path_bytes", "2.56", "2.56", None),
    ("security_groups", "2.35", "2.49", None),
    ("security_group_rules", "2.35", "2.49", None),
    ("key_pairs", None, None, None),
    ("server_groups", None, None, "2.50"),
    ("server_group_members", None, None, "2.50"),
)
UNCOUNTED = {"fixed_ips": -1, "floating_ips": -1, "security_groups": -1, "security_group_rules": -1}
"""What the Network API counts and limits; here they are unlimited unless somebody sets them."""

SET_PARAMS = tuple(Param(name, LIMIT, until=until) for name, until, _, _ in RESOURCES)
CLASS_PARAMS = tuple(Param(name, LIMIT, until=until) for name, _, until, _ in RESOURCES)


def _value(name: str):
    return lambda limits, _request: limits[name]


SET_FIELDS = tuple(Field(name, _value(name), until=until) for name, until, _, _ in RESOURCES)
CLASS_FIELDS = tuple(Field(name, _value(name), since=since, until=until) for name, _, until, since in RESOURCES)


def defaults(request) -> dict[str, int]:
    """The limits that the configuration gives, for every resource of the table."""
    return {**{name: request.deps.quota_defaults[name] for name, *_ in RESOURCES if name not in UNCOUNTED}, **UNCOUNTED}


def changes(asked: dict) -> dict[str, int]:
    """The limits of a validated body, as numbers."""
    return {name: int(limit) for name, limit in asked.items() if name != "force"}
