"""Names of devices on a host, from ids: at most 15 bytes, as Linux wants. Two clouds on one machine do not meet, since ids differ."""

NAMESPACE_PREFIX = "nlnet-"


def bridge_name(network_id: str) -> str:
    """The bridge that guests of the network are plugged into."""
    return f"br{network_id[:11]}"


def gateway_name(network_id: str) -> str:
    """The bridge's end of the pair whose other end is the gateway."""
    return f"gw{network_id[:11]}"


def tunnel_name(network_id: str) -> str:
    """The VXLAN device to the other hosts."""
    return f"vx{network_id[:11]}"


def namespace_name(network_id: str) -> str:
    """The network namespace of the network's gateway, DHCP and metadata."""
    return f"{NAMESPACE_PREFIX}{network_id}"


def tap_name(port_id: str) -> str:
    """The host's end of a guest's network card."""
    return f"tap{port_id[:11]}"
