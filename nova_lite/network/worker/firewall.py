"""What the machine's own firewall does to frames between guests. It is only looked at: the remedy is the operator's."""
import json

from nova_lite.network.worker import commands

SYSCTL = "/proc/sys/net/bridge/bridge-nf-call-iptables"
DROPPED = ("bridged frames pass the machine's FORWARD chain, which drops by default (Docker sets it so): guests get no addresses. "
           "Either set net.bridge.bridge-nf-call-iptables=0, or: iptables -I FORWARD -i br+ -o br+ -j ACCEPT")


def obstacle() -> str | None:
    """Why frames between guests would be lost on this machine, in words for the operator; None when nothing is in their way.

    The sysctl counts for every bridge, whatever is set on ours.
    """
    try:
        with open(SYSCTL) as file:
            if file.read().strip() != "1":
                return None
        chains = json.loads(commands.run(["nft", "-j", "list", "chains"]))["nftables"]
    except (FileNotFoundError, commands.CommandFailed, ValueError):
        return None
    dropping = any(entry["chain"].get("hook") == "forward" and entry["chain"].get("policy") == "drop" for entry in chains
                   if entry.get("chain", {}).get("family") in ("ip", "inet"))
    return DROPPED if dropping else None
