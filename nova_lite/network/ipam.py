"""Addresses: the arithmetic of subnets, pools, free addresses and MACs. Pure; the database says what is taken.

Pools are lists of ``{"start", "end"}`` as the API shows them, both ends included. Used by network.actions and the network worker.
"""
import hashlib
import ipaddress
import random
import secrets
from collections.abc import Iterable, Sequence

from nova_lite import exception

ENOUGH_TO_LIST = 1 << 16
"""Pools up to this size are searched address by address; larger ones are probed at random."""
PROBES = 4096


def network_of(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The range that ``cidr`` names, host bits dropped. Raises Invalid."""
    try:
        if "/" not in cidr:
            raise ValueError(cidr)
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise exception.Invalid(f"Invalid input for operation: '{cidr}' is not a valid IP subnet.")


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that ``text`` names. Raises Invalid."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise exception.Invalid(f"'{text}' is not a valid IP address.")


def canonical(text: str) -> str:
    """One spelling for each address, so that a unique key can compare them. Raises Invalid."""
    return str(address_of(text))


def first_host(network) -> str:
    """The address that a gateway gets where the user names none."""
    return str(network.network_address + (0 if network.num_addresses == 1 else 1))


def host_range(network) -> tuple[int, int]:
    """First and last address (as numbers) that a host can have: without the network's own and the broadcast address."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 4 and network.prefixlen < 31:
        return first + 1, last - 1
    if network.version == 6 and network.prefixlen < 127:
        return first + 1, last
    return first, last


def default_pools(network, gateway: str | None) -> list[dict]:
    """All that hosts can have but the gateway."""
    first, last = host_range(network)
    spans = [(first, last)]
    if gateway is not None and first <= int(address_of(gateway)) <= last and address_of(gateway).version == network.version:
        middle = int(address_of(gateway))
        spans = [(first, middle - 1), (middle + 1, last)]
    kind = type(network.network_address)
    return [{"start": str(kind(low)), "end": str(kind(high))} for low, high in spans if low <= high]


def check_pools(network, pools: Sequence[dict], gateway: str | None) -> list[dict]:
    """The pools in canonical form and order. Raises Invalid (outside, reversed) or Conflict (overlap, gateway inside)."""
    first, last = host_range(network)
    spans = []
    for pool in pools:
        start, end = address_of(pool["start"]), address_of(pool["end"])
        if start.version != network.version or end.version != network.version or start > end:
            raise exception.Invalid(f"The allocation pool {start}-{end} is not valid.")
        if int(start) < first or int(end) > last:
            raise exception.Invalid(f"The allocation pool {start}-{end} spans beyond the subnet cidr {network}.")
        spans.append((start, end))
    spans.sort()
    for (left_start, left_end), (start, end) in zip(spans, spans[1:], strict=False):
        if start <= left_end:
            raise exception.Conflict(f"Found overlapping allocation pools: {left_start}-{left_end}, {start}-{end} for subnet {network}.")
    if gateway is not None and any(start <= address_of(gateway) <= end for start, end in spans):
        raise exception.Conflict(f"Gateway ip {gateway} conflicts with an allocation pool.")
    return [{"start": str(start), "end": str(end)} for start, end in spans]


def check_gateway(network, gateway: str) -> str:
    """The gateway in canonical form. Raises Invalid when hosts of the subnet could not use it."""
    address = address_of(gateway)
    first, last = host_range(network)
    if address.version != network.version or not first <= int(address) <= last:
        raise exception.Invalid(f"Gateway is not valid on subnet: {address} is no host address of {network}.")
    return str(address)


def in_subnet(cidr: str, address: str) -> bool:
    """Whether a host of the subnet can have the address."""
    network, number = network_of(cidr), address_of(address)
    first, last = host_range(network)
    return number.version == network.version and first <= int(number) <= last


def _spans(pools: Iterable[dict]) -> list[tuple[int, int]]:
    return [(int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"]))) for pool in pools]


def pool_size(pools: Iterable[dict]) -> int:
    """How many addresses the pools have in all."""
    return sum(high - low + 1 for low, high in _spans(pools))


def choose(pools: Sequence[dict], taken: Iterable[str] = (), rng: random.Random | None = None) -> str | None:
    """A free address at random, so that two choosers who do not see each other seldom meet. None when there is none.

    In pools of more than ENOUGH_TO_LIST addresses "none" means that PROBES tries in a row hit taken ones.
    """
    rng = rng or random.SystemRandom()
    spans = _spans(pools)
    size = sum(high - low + 1 for low, high in spans)
    if not size:
        return None
    kind = type(ipaddress.ip_address(pools[0]["start"]))
    used = {int(ipaddress.ip_address(address)) for address in taken}
    if size <= ENOUGH_TO_LIST and used:
        free = [number for low, high in spans for number in range(low, high + 1) if number not in used]
        return str(kind(rng.choice(free))) if free else None
    for _ in range(PROBES):
        number = _nth(spans, rng.randrange(size))
        if number not in used:
            return str(kind(number))
    return None


def _nth(spans: Sequence[tuple[int, int]], index: int) -> int:
    for low, high in spans:
        if index <= high - low:
            return low + index
        index -= high - low + 1
    raise IndexError(index)


def new_mac() -> str:
    """A random MAC with the prefix that OpenStack's ports have."""
    return _mac("fa:16:3e", secrets.token_bytes(3))


def gateway_mac(network_id: str) -> str:
    """The MAC of a network's gateway: the same on each host, so that a guest that moves keeps talking to it."""
    return _mac("fa:16:3f", hashlib.sha256(network_id.encode()).digest()[:3])


def _mac(prefix: str, tail: bytes) -> str:
    return prefix + "".join(f":{byte:02x}" for byte in tail)
