"""What users ask about networks: create, change, delete."""
from nova_lite.db import host_networks as db_host_networks
from nova_lite.db import networks as db_networks
from nova_lite.db import ports as db_ports
from nova_lite.db.models.network import Network
from nova_lite.network import errors
from nova_lite.network.actions.deps import Deps


def create(deps: Deps, entries: list[dict]) -> list[Network]:
    """Write networks, all or none; ``entries``: columns of each. Raises OverQuota, SegmentInUse, InvalidInput."""
    with deps.db.write() as tx:
        for project_id in {entry["project_id"] for entry in entries}:
            deps.check_quota(tx, project_id, "networks", Network, sum(entry["project_id"] == project_id for entry in entries))
        made = []
        for entry in entries:
            network = db_networks.create_network(tx, {**entry, "mtu": _mtu(deps, entry.get("mtu"))})
            if network is None:
                raise errors.SegmentInUse(vni=entry.get("vni"))
            made.append(network)
        return made


def _mtu(deps: Deps, asked: int | None) -> int:
    if asked is not None and asked > deps.mtu:
        raise errors.InvalidInput(f"Invalid input for operation: Requested MTU is too big, maximum is {deps.mtu}.")
    return asked or deps.mtu


def update(deps: Deps, ctx, network_id: str, values: dict, authorize) -> Network:
    """Change columns. ``authorize(network)`` raises when the caller may not. Raises NetworkNotFound, InvalidSharedSetting, InvalidInput."""
    with deps.db.write() as tx:
        network = db_networks.get_network(tx, ctx, network_id)
        authorize(network)
        if "mtu" in values:
            values = {**values, "mtu": _mtu(deps, values["mtu"])}
        if network.shared and values.get("shared") is False and db_networks.used_by_others(tx, network):
            raise errors.InvalidSharedSetting(network_id=network_id)
        db_networks.update_network(tx, network, values)
        hosts = db_host_networks.hosts_of(tx, network_id) if "mtu" in values else []
    deps.tell(hosts, network_id)
    return network


def delete(deps: Deps, ctx, network_id: str, authorize) -> None:
    """Remove a network and its subnets. Raises NetworkNotFound, NetworkInUse."""
    with deps.db.write() as tx:
        network = db_networks.get_network(tx, ctx, network_id)
        authorize(network)
        db_networks.lock_network(tx, network_id)
        port_id = db_ports.in_use(tx, network_id)
        if port_id is not None or not db_networks.delete_network(tx, network_id):
            raise errors.NetworkInUse(network_id=network_id, port_id=port_id)
