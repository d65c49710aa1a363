"""What flavors ask for: ``pci_passthrough:alias = a1:2,a2:1`` in terms of the operator's aliases (option ``alias``)."""
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping

from nova_lite import exception
from nova_lite.pci.devices import FALSE, PCI, PF, TRUE, VF

SPEC = "pci_passthrough:alias"
POLICIES = ("required", "legacy", "preferred", "socket")
DEFAULT_POLICY = "legacy"
WORDS = ("name", "capability_type", "product_id", "vendor_id", "device_type", "numa_policy", "resource_class", "traits", "live_migratable")
REQUEST = re.compile(r"\s*([^:]+):(\d+)\s*")


@dataclasses.dataclass(frozen=True)
class Alias:
    """``specs``: one of them a device has to match, each (field, value) pairs. ``policy``: how near to the guest's NUMA nodes it has to be."""

    specs: tuple[tuple[tuple[str, str], ...], ...]
    policy: str = DEFAULT_POLICY


@dataclasses.dataclass(frozen=True)
class Ask:
    """So many devices of an alias. Without ``specs`` no device will do."""

    alias: str
    count: int
    specs: tuple[tuple[tuple[str, str], ...], ...] = ()
    policy: str = DEFAULT_POLICY

    @property
    def physical(self) -> bool:
        """Whether it asks for devices that have virtual functions, whole."""
        return any(("dev_type", PF) in spec for spec in self.specs)


def read(texts: Iterable[str]) -> dict[str, Alias]:
    """The option's values, each a JSON object, by name; those of the same name are alternatives. Raises ConfigurationError."""
    found: dict[str, Alias] = {}
    for text in texts:
        name, spec, policy = _one(text)
        known = found.get(name)
        if known is None:
            found[name] = Alias((spec,), policy)
            continue
        if known.policy != policy:
            raise _refuse(f"NUMA policy mismatch for alias '{name}'")
        if dict(known.specs[0]).get("dev_type") != dict(spec).get("dev_type"):
            raise _refuse(f"Device type mismatch for alias '{name}'")
        found[name] = Alias((*known.specs, spec), policy)
    return found


def _refuse(reason: str) -> exception.ConfigurationError:
    return exception.ConfigurationError(reason=f"Invalid PCI alias definition: {reason}")


def _one(text: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise _refuse(f"{error}: {text}")
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise _refuse(f"{text} is not an object of strings")
    unknown = sorted(set(said) - set(WORDS))
    if unknown:
        raise _refuse(f"Additional properties are not allowed ({', '.join(unknown)})")
    name = said.pop("name", "").strip()
    if not 0 < len(name) <= 256:
        raise _refuse(f"{text} has no name of 1 to 256 characters")
    policy = said.pop("numa_policy", "") or DEFAULT_POLICY
    said.pop("capability_type", None)
    if policy not in POLICIES:
        raise _refuse(f"'{policy}' is not one of {', '.join(POLICIES)}")
    spec = {"dev_type" if word == "device_type" else word: value for word, value in said.items()}
    _check(name, spec)
    return name, tuple(sorted(spec.items())), policy


def _check(name: str, spec: dict[str, str]) -> None:
    for word in ("vendor_id", "product_id"):
        if word in spec and not re.fullmatch(r"[\da-fA-F]{4}", spec[word]):
            raise _refuse(f"'{spec[word]}' of alias '{name}' does not match '^([\\da-fA-F]{{4}})$'")
    if spec.get("dev_type", PCI) not in (PCI, PF, VF):
        raise _refuse(f"'{spec['dev_type']}' is not one of {PCI}, {PF}, {VF}")
    if not ({"vendor_id", "product_id"} <= spec.keys() or "resource_class" in spec):
        raise _refuse(f"The PCI alias(es) {name} does not have vendor_id and product_id fields set or resource_class field set.")
    if "live_migratable" in spec:
        word = spec["live_migratable"].strip().lower()
        if word not in (*TRUE, *FALSE):
            raise _refuse(f"live_migratable of alias '{name}' is '{word}', which is neither true nor false")
        spec["live_migratable"] = "true" if word in TRUE else "false"


def asks(extra_specs: Mapping[str, str], properties: Mapping[str, str], aliases: Mapping[str, Alias]) -> tuple[Ask, ...]:
    """What a flavor asks for, in order. What is not known, or not to be understood, asks for something that no host has."""
    text = extra_specs.get(SPEC)
    if not text:
        return ()
    policy = extra_specs.get("hw:pci_numa_affinity_policy") or properties.get("hw_pci_numa_affinity_policy")
    found = []
    for part in text.split(","):
        match = REQUEST.fullmatch(part)
        name, count = (match[1].strip(), int(match[2])) if match else (part.strip(), 1)
        known = aliases.get(name, Alias(()))
        if count:
            found.append(Ask(name, count, known.specs if match else (), policy or known.policy))
    return tuple(found)


def check(extra_specs: Mapping[str, str], properties: Mapping[str, str], aliases: Mapping[str, Alias]) -> None:
    """Whether a server of the flavor may be asked for. Raises Invalid."""
    for ask in asks(extra_specs, properties, aliases):
        if ask.alias not in aliases:
            raise exception.Invalid(f"PCI alias {ask.alias} is not defined")
    by_flavor, by_image = extra_specs.get("hw:pci_numa_affinity_policy"), properties.get("hw_pci_numa_affinity_policy")
    if by_flavor and by_image and by_flavor != by_image:
        raise exception.Invalid("Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' "
                                "flavor extra spec.")
    if (by_flavor or by_image) and (by_flavor or by_image) not in POLICIES:
        raise exception.Invalid(f"Invalid PCI NUMA affinity configured: {by_flavor or by_image}")
