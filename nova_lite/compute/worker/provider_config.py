"""Custom resource classes and traits of hosts, from files of Nova's provider config (schema 1.x, option ``provider_config_location``).

    meta: {schema_version: '1.0'}
    providers:
      - identification: {uuid: $COMPUTE_NODE}      # every host of this worker that has no entry of its own; or its uuid; or name: its hypervisor's
        inventories: {additional: [CUSTOM_GOLD: {total: 4, reserved: 1}]}
        traits: {additional: [CUSTOM_QUIET]}

Read once, at the worker's start; imported where there are such files, since YAML costs some memory.
"""
import dataclasses
import pathlib
import re
from collections.abc import Iterable

import yaml

from nova_lite import exception, log

LOG = log.get(__name__)

ANY_HOST = "$COMPUTE_NODE"
MAJOR, MINOR = 1, 0
CUSTOM = re.compile("CUSTOM_[A-Z0-9_]{1,248}")
# what an inventory may say | its name in hosts.extras | the least
NUMBERS = (("total", "total", 1), ("reserved", "reserved", 0), ("min_unit", "min", 1), ("max_unit", "max", 1), ("step_size", "step", 1),
           ("allocation_ratio", "ratio", 0))


@dataclasses.dataclass(frozen=True)
class Provider:
    """One entry. ``key``: uuid or name, and its value. ``resources``: as ``hosts.extras`` keeps them."""

    key: tuple[str, str]
    source: str
    resources: dict[str, dict]
    traits: tuple[str, ...]


def read(folder: str) -> list[Provider]:
    """The entries of all ``*.yaml`` of a folder. Raises ConfigurationError that names the file and what is wrong in it."""
    found: list[Provider] = []
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        for provider in _read_file(path):
            other = next((each for each in found if each.key == provider.key), None)
            if other is not None:
                raise _refuse(path, f"Provider {provider.key[1]} has multiple definitions in source file(s): {sorted({other.source, str(path)})}.")
            if provider.resources or provider.traits:
                found.append(provider)
            else:
                LOG.warning("Provider %s defined in %s has no additional inventories or traits and will be ignored.", provider.key[1], path)
    return found


def of_host(providers: Iterable[Provider], uuid: str | None, name: str) -> Provider | None:
    """The entry of a host, if any. Raises ConfigurationError where one names it by its uuid and another by its name."""
    by_key = {each.key: each for each in providers}
    mine = [by_key[key] for key in (("uuid", uuid), ("name", name)) if key in by_key]
    if len(mine) > 1:
        raise exception.ConfigurationError(reason=f"{mine[0].source} and {mine[1].source} are both about {name}, by uuid and by name")
    return mine[0] if mine else by_key.get(("uuid", ANY_HOST))


def _refuse(path: pathlib.Path, reason: str) -> exception.ConfigurationError:
    return exception.ConfigurationError(reason=f"provider config {path}: {reason}")


def _read_file(path: pathlib.Path) -> list[Provider]:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _refuse(path, f"Unable to load yaml file: {error}")
    version = content.get("meta", {}).get("schema_version") if isinstance(content, dict) and isinstance(content.get("meta"), dict) else None
    match = re.fullmatch(r"(\d+)\.(\d+)", version) if isinstance(version, str) else None
    if match is None:
        raise _refuse(path, "Unable to detect schema version: meta.schema_version is to be a text such as '1.0'")
    if int(match[1]) != MAJOR:
        raise _refuse(path, f"Unsupported schema major version: {match[1]}")
    if int(match[2]) > MINOR:
        LOG.warning("Provider config file %s is at schema version %s; fields newer than %s.%s are not read.", path, version, MAJOR, MINOR)
    providers = content.get("providers") or []
    if not isinstance(providers, list):
        raise _refuse(path, "providers is not a list")
    return [_provider(path, each) for each in providers]


def _provider(path: pathlib.Path, said) -> Provider:
    about = said.get("identification") if isinstance(said, dict) else None
    if not isinstance(about, dict) or len(about) != 1 or not set(about) <= {"uuid", "name"}:
        raise _refuse(path, f"identification of {said} is not a uuid or a name")
    [(kind, value)] = about.items()
    if not isinstance(value, str) or not value or (kind == "uuid" and value != ANY_HOST and not re.fullmatch(r"[\da-fA-F-]{36}", value)):
        raise _refuse(path, f"{kind} {value!r} identifies no provider")
    resources: dict[str, dict] = {}
    for inventory in _additional(path, said, "inventories"):
        if not isinstance(inventory, dict):
            raise _refuse(path, f"{inventory!r} is not an inventory")
        for name, numbers in inventory.items():
            if not isinstance(name, str) or not CUSTOM.fullmatch(name):
                raise _refuse(path, f"Invalid resource class, only custom resource classes are allowed: {name}")
            resources[name] = _inventory(path, name, numbers)
    traits = _additional(path, said, "traits")
    wrong = [trait for trait in traits if not isinstance(trait, str) or not CUSTOM.fullmatch(trait)]
    if wrong:
        raise _refuse(path, f"Invalid traits, only custom traits are allowed: {sorted(map(str, wrong))}")
    return Provider((kind, value), str(path), resources, tuple(sorted(set(traits))))


def _additional(path: pathlib.Path, said: dict, kind: str) -> list:
    value = said.get(kind) or {}
    found = value.get("additional") or [] if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise _refuse(path, f"{kind}.additional is not a list")
    return found


def _inventory(path: pathlib.Path, name: str, numbers) -> dict:
    if not isinstance(numbers, dict) or "total" not in numbers:
        raise _refuse(path, f"{name} has no total")
    unknown = set(numbers) - {word for word, _own, _least in NUMBERS}
    if unknown:
        raise _refuse(path, f"{name}: {', '.join(map(str, sorted(unknown)))} is none of {', '.join(word for word, _own, _least in NUMBERS)}")
    found = {}
    for word, own, least in NUMBERS:
        value = numbers.get(word)
        if value is None:
            continue
        kinds = int | float if own == "ratio" else int
        if isinstance(value, bool) or not isinstance(value, kinds) or value < least:
            raise _refuse(path, f"{word} of {name} is {value!r}")
        found[own] = float(value) if own == "ratio" else value
    return found
