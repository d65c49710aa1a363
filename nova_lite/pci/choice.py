"""Which of a host's devices a guest gets: each ask as many as it names, none twice, near to its NUMA nodes as far as its policy wants.

A physical function and the virtual functions on it exclude each other. Called by the scheduler for each host in question, and again by the claim.
"""
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from nova_lite.pci.aliases import Ask
from nova_lite.pci.devices import PF, TRUE

NOWHERE = -1


def free(devices: Iterable[Mapping], used: Collection[str]) -> list[Mapping]:
    """The devices (rows of ``hosts.extras``) that nobody has, and that share no silicon with one that somebody has."""
    taken = set(used)
    devices = list(devices)
    shared = taken | {device["parent"] for device in devices if device["address"] in taken and "parent" in device}
    return [device for device in devices if device["address"] not in shared and device.get("parent") not in taken]


def choose(devices: Iterable[Mapping], used: Collection[str], asks: Sequence[Ask], nodes: Collection[int] | None = None,
           sockets: Mapping[int, int] | None = None) -> list[dict] | None:
    """``[{"address", "alias"}]`` in the order asked, with ``"managed": False`` where it is tagged so; None where the devices do not suffice.

    ``nodes``: the host's NUMA nodes that the guest lies on, None: on all. ``sockets``: of each node, where the host tells.
    """
    devices, taken, found = list(devices), set(used), {}
    left = free(devices, taken)
    busy = {device["parent"] for device in devices if device["address"] in taken and "parent" in device}
    # Physical functions first: what they take away from virtual ones has to be known. Among the others nothing excludes anything.
    for physical in (True, False):
        slots = [number for number, ask in enumerate(asks) if ask.physical is physical for _ in range(ask.count)]
        options = {number: _options(left, asks[number], nodes, sockets, busy) for number in set(slots)}
        chosen = _match([options[number] for number in slots])
        if chosen is None:
            return None
        for number, address in zip(slots, chosen, strict=True):
            found.setdefault(number, []).append(address)
        left = free(left, chosen)
    unmanaged = {device["address"] for device in devices if device.get("managed") == "false"}
    return [{"address": address, "alias": ask.alias, **({"managed": False} if address in unmanaged else {})}
            for number, ask in enumerate(asks) for address in found.get(number, ())]


def _options(devices, ask: Ask, nodes, sockets, busy) -> list[str]:
    """Addresses that would do, best first: near ones, then virtual functions beside others that are used, so that whole devices stay whole."""
    near = _near(ask.policy, nodes, sockets)
    fitting = [device for device in devices if _suits(device, ask) and (near is None or device.get("numa_node", NOWHERE) in near)]
    fitting.sort(key=lambda device: (bool(nodes) and device.get("numa_node", NOWHERE) not in nodes, device.get("parent") not in busy,
                                     device["address"]))
    return [device["address"] for device in fitting]


def _near(policy: str, nodes, sockets) -> set[int] | None:
    """NUMA nodes that devices may be on; None: any."""
    if not nodes or policy == "preferred":
        return None
    if policy == "legacy":
        return {*nodes, NOWHERE}
    if policy == "socket" and sockets:
        mine = {sockets.get(node) for node in nodes}
        return {*nodes, *(node for node, socket in sockets.items() if socket in mine)}
    return set(nodes)


def _suits(device: Mapping, ask: Ask) -> bool:
    if (device["dev_type"] == PF) is not ask.physical:
        return False
    if str(device.get("remote_managed", "false")).lower() in TRUE and not any("remote_managed" in dict(spec) for spec in ask.specs):
        return False
    return any(all(_same(word, device.get(word), value) for word, value in spec) for spec in ask.specs)


def _same(word: str, has, wanted: str) -> bool:
    if word == "traits":
        return _names(wanted) <= _names(has or "")
    if word == "resource_class":
        return has is not None and _name(str(has)) == _name(wanted)
    return has is not None and str(has).lower() == wanted.lower()


def _name(text: str) -> str:
    return re.sub("[^A-Z0-9_]+", "_", text.strip().upper()).removeprefix("CUSTOM_")


def _names(text: str) -> set[str]:
    return {_name(part) for part in str(text).split(",") if part.strip()}


def _match(options: list[list[str]]) -> list[str] | None:
    """One address for each, all different, the first ones preferred; None where there is no such choice."""
    taken: dict[str, int] = {}

    def settle(number: int, tried: set[str]) -> bool:
        for address in sorted(options[number], key=taken.__contains__):
            if address not in tried:
                tried.add(address)
                if address not in taken or settle(taken[address], tried):
                    taken[address] = number
                    return True
        return False

    if not all(settle(number, set()) for number in range(len(options))):
        return None
    return sorted(taken, key=taken.__getitem__)
