"""The PCI devices of a host, and those of them that its operator offers to guests (option ``device_spec``)."""
import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from nova_lite import exception

PCI, PF, VF = "type-PCI", "type-PF", "type-VF"
"""A device without virtual functions, one that has or may have them, and such a function."""
ADDRESS = re.compile(r"([\da-f]{4}):([\da-f]{2}):([\da-f]{2})\.([0-7])")
LIMITS = {"domain": (0xFFFF, 4), "bus": (0xFF, 2), "slot": (0x1F, 2), "function": (0x7, 1)}
OWN_WORDS = ("vendor_id", "product_id", "address", "devname")
BOOLEANS = ("managed", "live_migratable", "remote_managed", "trusted")
TRUE, FALSE = ("1", "t", "true", "on", "y", "yes"), ("0", "f", "false", "off", "n", "no")


@dataclasses.dataclass(frozen=True)
class Device:
    """``address``: domain:bus:slot.function in hexadecimal. ``parent``: of a virtual function that of its physical one; ``interface``: eth0."""

    address: str
    vendor_id: str
    product_id: str
    dev_type: str = PCI
    numa_node: int | None = None
    parent: str | None = None
    interface: str | None = None


@dataclasses.dataclass(frozen=True)
class Spec:
    """One entry of ``device_spec``: ids or None for any, patterns of the four parts of an address, the name of an interface, further ``tags``."""

    vendor_id: str | None
    product_id: str | None
    address: tuple[re.Pattern, ...]
    single: str | None
    interface: str | None
    tags: dict[str, Any]

    def matches(self, device: Device) -> bool:
        """A physical function that is named by its one address, or by its interface, stands for its virtual functions too."""
        if self.vendor_id not in (None, device.vendor_id) or self.product_id not in (None, device.product_id):
            return False
        if self.single is not None and device.parent == self.single:
            return True
        parts = ADDRESS.fullmatch(device.address)
        return parts is not None and all(pattern.match(part) for pattern, part in zip(self.address, parts.groups(), strict=True))


def read(texts: Iterable[str]) -> tuple[Spec, ...]:
    """The entries of the option: each a JSON object, or a list of them. Raises ConfigurationError."""
    found = []
    for text in texts:
        try:
            entries = json.loads(text)
        except ValueError:
            raise _refuse(f"Invalid entry: '{text}'")
        if not isinstance(entries, dict | list):
            raise _refuse(f"Invalid entry: '{text}'; Expecting list or dict")
        for entry in [entries] if isinstance(entries, dict) else entries:
            if not isinstance(entry, dict):
                raise _refuse(f"Invalid entry: '{entry}'; Expecting dict")
            found.append(_spec(entry))
    return tuple(found)


def _refuse(reason: str) -> exception.ConfigurationError:
    return exception.ConfigurationError(reason=f"Invalid [pci]device_spec config: {reason}")


def _spec(entry: dict) -> Spec:
    address, interface = entry.get("address"), entry.get("devname")
    if address and interface:
        raise _refuse("an entry can specify devname or address, but not both")
    tags = {name: _truth(name, value) if name in BOOLEANS else value for name, value in entry.items() if name not in OWN_WORDS}
    patterns, single = _address(address or "*:*:*.*")
    return Spec(_number("vendor_id", entry), _number("product_id", entry), patterns, single, interface, tags)


def _truth(name: str, value) -> str:
    word = str(value).strip().lower()
    if word not in (*TRUE, *FALSE):
        raise _refuse(f"{name} is '{value}', which is neither true nor false")
    return "true" if word in TRUE else "false"


def _number(name: str, entry: dict) -> str | None:
    text = str(entry.get(name, "*")).strip()
    return None if text == "*" else _hexadecimal(name, text, 0xFFFF, 4)


def _hexadecimal(name: str, text: str, most: int, digits: int) -> str:
    try:
        number = int(text, 16)
    except ValueError:
        raise _refuse(f"property {name} ('{text}') does not parse as a hex number.")
    if not 0 <= number <= most:
        raise _refuse(f"property {name} ({text}) is greater than the maximum allowable value ({most:X}).")
    return f"{number:0{digits}x}"


def _address(address) -> tuple[tuple[re.Pattern, ...], str | None]:
    """Patterns of domain, bus, slot and function, and the address itself where it is one."""
    if isinstance(address, dict):
        unknown = set(address) - set(LIMITS)
        try:
            if unknown:
                raise ValueError(", ".join(sorted(unknown)))
            return tuple(re.compile(str(address.get(part, ".*"))) for part in LIMITS), None
        except (re.error, ValueError):
            raise _refuse(f"The PCI address {address} has an incorrect format.")
    if not isinstance(address, str):
        raise _refuse(f"The PCI address {address} has an incorrect format.")
    front, _point, function = address.partition(".")
    fields = [field.strip() for field in front.split(":")] if front else []
    if len(fields) > 3:
        raise _refuse(f"The PCI address {address} has an incorrect format.")
    fields = [*[""] * (3 - len(fields)), *fields, function.strip()]
    exact = [None if field in ("", "*") else _hexadecimal(part, field, *LIMITS[part]) for part, field in zip(LIMITS, fields, strict=True)]
    single = None if None in exact else "{}:{}:{}.{}".format(*exact)
    return tuple(re.compile(".*" if field is None else re.escape(field) + "$") for field in exact), single


def offered(devices: Sequence[Device], specs: Iterable[Spec]) -> list[dict]:
    """The devices that guests may have, as ``hosts.extras`` keeps them: the fields of Device that say something, and the tags of the first spec
    that matches.
    """
    specs = list(specs)
    by_interface = {device.interface: device.address for device in devices if device.interface}
    found = []
    for device in devices:
        for spec in specs:
            if spec.interface is not None:
                address = by_interface.get(spec.interface)
                fits = address is not None and address in (device.address, device.parent) and spec.matches(device)
            else:
                fits = spec.matches(device)
            if fits:
                own = {name: value for name, value in dataclasses.asdict(device).items() if value is not None and name != "interface"}
                found.append({**spec.tags, **own})
                break
    return sorted(found, key=lambda device: device["address"])
