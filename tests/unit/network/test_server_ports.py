"""Ports of servers: what may be asked for, what is given, and how it is told."""
import json
import uuid

import pytest
import sqlalchemy as sa

from nova_lite import exception
from nova_lite.context import RequestContext
from nova_lite.db import ports as db_ports
from nova_lite.db import securitygroups as db_securitygroups
from nova_lite.db.models.network import Network, Port, SecurityGroup, Subnet
from nova_lite.network import errors, ipam
from nova_lite.network.actions import server_ports

SERVER = "5c1e2f6e-0000-4000-8000-000000000001"
OTHER = "5c1e2f6e-0000-4000-8000-000000000002"
ADMIN = RequestContext(project_id="project-admin", roles=("admin",), is_admin=True)


def nic(network_id=None, port=None, fixed_ip=None, tag=None):
    return {"uuid": network_id, "port": port, "fixed_ip": fixed_ip, "tag": tag}


@pytest.fixture
def check(db, ctx):
    def run(requested, caller=ctx, **options):
        with db.write() as tx:
            return server_ports.check_requested(tx, caller, requested, **options)
    return run


@pytest.fixture
def allocate(db):
    def run(requested, server_id=SERVER, host="host-1", project_id="project-a"):
        with db.write() as tx:
            return server_ports.allocate(tx, server_id, project_id, host, requested)
    return run


def make_port(db, network_id, address=None, subnet_id=None, **values):
    from nova_lite.db import networks as db_networks
    from nova_lite.db import server_ports as db_server_ports
    with db.write() as tx:
        port = db_ports.create_port(tx, {"network_id": network_id, "project_id": "project-a", "mac": f"fa:16:3e:00:00:{len(values):02x}", **values})
        if address:
            subnet = db_networks.subnets_of(tx, [network_id])[network_id][0]
            db_server_ports.insert_addresses(tx, [{"network_id": network_id, "address": address, "port_id": port.id, "subnet_id": subnet.id}])
        return port.id


def test_nothing_asked_and_no_network_is_no_nic(check, allocate):
    assert check(None) == check([]) == check("none") == []
    assert allocate([]) == []


def test_nothing_asked_takes_the_only_network(check, make_network):
    make_network("10.9.0.0/24", project_id="somebody-else")
    network_id = make_network("10.0.0.0/24")
    assert [nic["network_id"] for nic in check(None)] == [network_id]
    assert check("none") == []


def test_a_shared_network_counts(check, make_network):
    network_id = make_network("10.0.0.0/24", project_id="somebody-else", shared=True)
    assert [nic["network_id"] for nic in check(None)] == [network_id]


@pytest.mark.parametrize("requested", [None, "auto"])
def test_several_networks_are_ambiguous(check, make_network, requested):
    make_network("10.0.0.0/24")
    make_network("10.0.1.0/24")
    with pytest.raises(exception.Conflict, match="Multiple possible networks found, use a Network ID to be more specific."):
        check(requested)


def test_auto_makes_one_network_once(check, allocate):
    first = check("auto")
    assert first == check("auto") and len(first) == 1
    assert allocate(first)[0]["network_name"] == "auto_allocated_network"


def test_unknown_network_and_a_strangers_network(check, make_network):
    strangers = make_network("10.0.0.0/24", project_id="somebody-else")
    for network_id in (str(uuid.uuid4()), strangers):
        with pytest.raises(exception.Invalid, match=f"Network {network_id} could not be found"):
            check([nic(network_id)])
    assert check([nic(strangers)], ADMIN)[0]["network_id"] == strangers


def test_network_without_subnet(check, make_network):
    network_id = make_network()
    for requested in (None, [nic(network_id)]):
        with pytest.raises(exception.Invalid, match="requires a subnet in order to boot"):
            check(requested)


def test_external_network_is_for_admins(check, make_network):
    network_id = make_network("10.0.0.0/24", project_id="somebody-else", external=True)
    with pytest.raises(exception.Forbidden, match="not allowed to create an interface on external network"):
        check([nic(network_id)])
    assert check([nic(network_id)], ADMIN)


@pytest.mark.parametrize("address", ["10.0.1.5", "10.0.0.0", "10.0.0.255", "10.0.0.1", "fd00::5"])
def test_fixed_ip_outside_the_subnet(check, make_network, address):
    with pytest.raises(exception.Invalid, match="not a usable address"):
        check([nic(make_network("10.0.0.0/24"), fixed_ip=address)])


def test_fixed_ip_in_use(check, allocate, make_network):
    network_id = make_network("10.0.0.0/24")
    wanted = check([nic(network_id, fixed_ip="10.0.0.77")])
    assert allocate(wanted)[0]["addresses"][0]["address"] == "10.0.0.77"
    with pytest.raises(exception.Invalid, match="already in use"):
        check([nic(network_id, fixed_ip="10.0.0.77")])
    with pytest.raises(exception.Invalid, match="already in use"):
        check([nic(network_id, fixed_ip="10.0.0.78"), nic(network_id, fixed_ip="10.0.0.78")])
    with pytest.raises(errors.IpAddressAlreadyAllocated, match="10.0.0.77 is already in use"):
        allocate(wanted, server_id=OTHER)


def test_one_fixed_ip_does_not_fit_two_servers(check, make_network):
    network_id = make_network("10.0.0.0/24")
    with pytest.raises(exception.Invalid, match="fixed_ip"):
        check([nic(network_id, fixed_ip="10.0.0.7")], count=2)
    with pytest.raises(exception.Invalid, match="port"):
        check([nic(port=str(uuid.uuid4()))], count=2)


def test_ports_of_the_user(db, check, allocate, make_network):
    network_id = make_network("10.0.0.0/24")
    unknown = str(uuid.uuid4())
    with pytest.raises(exception.Invalid, match=f"Port id {unknown} could not be found."):
        check([nic(port=unknown)])
    bare = make_port(db, network_id, mac="fa:16:3e:00:00:01")
    with pytest.raises(exception.Invalid, match=f"Port {bare} requires a FixedIP in order to be used."):
        check([nic(port=bare)])
    strangers = make_port(db, network_id, "10.0.0.8", mac="fa:16:3e:00:00:02", project_id="somebody-else")
    with pytest.raises(exception.Invalid, match="could not be found"):
        check([nic(port=strangers)], ADMIN)
    port_id = make_port(db, network_id, "10.0.0.9", mac="fa:16:3e:00:00:03")
    with pytest.raises(exception.Conflict, match="still in use"):
        check([nic(port=port_id), nic(port=port_id)])
    wanted = check([nic(port=port_id, tag="first")])
    given = allocate(wanted)
    assert [(entry["port_id"], entry["mac"], entry["tag"], entry["addresses"][0]["address"]) for entry in given] == [
        (port_id, "fa:16:3e:00:00:03", "first", "10.0.0.9")]
    with pytest.raises(exception.Conflict, match=f"Port {port_id} is still in use."):
        check([nic(port=port_id)])
    with pytest.raises(exception.Conflict, match="still in use"):
        allocate(wanted, server_id=OTHER)


def test_allocate_describes_what_nics_reads_and_costs_three_statements(db, make_network):
    first, second = make_network("10.0.0.0/24", "fd00::/64", name="one"), make_network("10.1.0.0/24", name="two", mtu=1400)
    wanted = [{"network_id": first, "port_id": None, "fixed_ip": None, "tag": "a"},
              {"network_id": second, "port_id": None, "fixed_ip": None, "tag": None}]
    with db.write() as tx:
        before = db.statements
        given = server_ports.allocate(tx, SERVER, "project-a", "host-1", wanted)
        assert db.statements - before == 3
        before = db.statements
        assert server_ports.nics(tx, SERVER) == given
        assert db.statements - before == 1
    shown = [(entry["network_name"], entry["mtu"], len(entry["addresses"]), entry["tag"]) for entry in given]
    assert shown == [("one", 1450, 2, "a"), ("two", 1400, 1, None)]
    assert [address["version"] for address in given[0]["addresses"]] == [4, 6]
    assert given[0]["tap"] == "tap" + given[0]["port_id"][:11] and given[0]["bridge"] == "br" + first[:11]


def test_what_the_request_noted_saves_a_statement(db, check, make_network):
    first, second = make_network("10.0.0.0/24", "fd00::/64", name="one"), make_network("10.1.0.0/24", name="two", mtu=1400)
    wanted = json.loads(json.dumps(check([nic(first, tag="a"), nic(second, fixed_ip="10.1.0.7")])))
    with db.write() as tx:
        before = db.statements
        given = server_ports.allocate(tx, SERVER, "project-a", "host-1", wanted, at_once=True)
        assert db.statements - before == 2
        assert server_ports.nics(tx, SERVER) == given
    assert given[1]["addresses"][0]["address"] == "10.1.0.7"


def test_what_was_noted_and_is_no_longer_so_is_read_anew(db, check, allocate, make_network):
    gone, changed = make_network("10.0.0.0/24"), make_network("10.1.0.0/24")
    noted, of_changed = check([nic(gone)]), check([nic(changed)])
    with db.write() as tx:
        tx.execute(sa.delete(Subnet).where(Subnet.network_id == gone))
    with pytest.raises(exception.DatabaseDeadlock), db.write() as tx:
        server_ports.allocate(tx, SERVER, "project-a", "host-1", noted, at_once=True)
    with db.write() as tx:
        tx.execute(sa.delete(Network).where(Network.id == gone))
    with pytest.raises(exception.DatabaseDeadlock), db.write() as tx:
        server_ports.allocate(tx, SERVER, "project-a", "host-1", noted, at_once=True)
    before = allocate(of_changed)
    with pytest.raises(exception.DatabaseDeadlock), db.write() as tx:
        server_ports.allocate(tx, SERVER, "project-a", "host-1", of_changed, at_once=True)
    assert allocate(of_changed) == before


def test_allocate_again_gives_the_same_on_the_new_host(db, allocate, check, make_network):
    make_network("10.0.0.0/24")
    wanted = check(None)
    first = allocate(wanted)
    assert allocate(wanted, host="host-2") == first
    with db.read() as tx:
        assert [port.host for port in tx.query(Port)] == ["host-2"]


def test_half_done_allocation_is_completed(allocate, make_network):
    one, two = make_network("10.0.0.0/24"), make_network("10.1.0.0/24")
    wanted = [{"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": None} for network_id in (one, two)]
    first = allocate(wanted[:1])
    both = allocate(wanted)
    assert both[:1] == first and both[1]["network_id"] == two and both[1]["addresses"]


def test_a_taken_mac_is_drawn_again(db, allocate, make_network, monkeypatch):
    network_id = make_network("10.0.0.0/24")
    macs = iter(["fa:16:3e:00:00:01", "fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "fa:16:3e:00:00:03"])
    monkeypatch.setattr(ipam, "new_mac", lambda: next(macs))
    wanted = [{"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": None}] * 2
    given = allocate(wanted[:1]) + allocate(wanted, server_id=OTHER)
    assert [nic["mac"] for nic in given] == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:03", "fa:16:3e:00:00:02"]
    with db.read() as tx:
        assert server_ports.nics(tx, OTHER) == given[1:]


def test_full_network_is_named_and_a_release_frees(db, allocate, make_network):
    network_id = make_network("10.0.0.0/30")
    wanted = [{"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": None}]
    assert allocate(wanted)[0]["addresses"][0]["address"] == "10.0.0.2"
    with pytest.raises(exception.NoMoreAddresses, match=network_id):
        allocate(wanted, server_id=OTHER)
    with db.write() as tx:
        assert server_ports.release(tx, SERVER) == [network_id]
        assert server_ports.release(tx, SERVER) == []
    assert allocate(wanted, server_id=OTHER)[0]["addresses"][0]["address"] == "10.0.0.2"


def test_a_second_subnet_takes_over_when_the_first_is_full(allocate, make_network):
    network_id = make_network("10.0.0.0/30", "10.1.0.0/30")
    wanted = [{"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": None}] * 2
    given = allocate(wanted)
    assert {entry["addresses"][0]["address"] for entry in given} == {"10.0.0.2", "10.1.0.2"}


def test_deleted_network(allocate):
    with pytest.raises(exception.NetworkNotFound):
        allocate([{"network_id": str(uuid.uuid4()), "port_id": None, "fixed_ip": None, "tag": None}])


def test_release_frees_the_users_port_and_deletes_the_servers(db, check, allocate, make_network):
    network_id = make_network("10.0.0.0/24")
    port_id = make_port(db, network_id, "10.0.0.9", mac="fa:16:3e:00:00:03")
    allocate(check([nic(port=port_id), nic(network_id)]))
    with db.write() as tx:
        assert server_ports.release(tx, SERVER) == [network_id]
    with db.read() as tx:
        left = [(port.id, port.device_id, port.host, port.request_index, port.status) for port in tx.query(Port)]
        assert left == [(port_id, "", None, None, "DOWN")]
        assert db_ports.addresses_of(tx, [port_id])[port_id][0]["ip_address"] == "10.0.0.9"


def test_unbind_keeps_ports_and_addresses(db, check, allocate, make_network):
    network_id = make_network("10.0.0.0/24")
    before = allocate(check(None))
    with db.write() as tx:
        assert server_ports.unbind(tx, SERVER) == [network_id]
    with db.read() as tx:
        assert server_ports.nics(tx, SERVER) == before
        assert [(port.host, port.status) for port in tx.query(Port)] == [(None, "DOWN")]


def test_addresses_of_many_servers_in_one_statement(db, check, allocate, make_network):
    network_id = make_network("10.0.0.0/24", "fd00::/64")
    wanted = check(None)
    allocate(wanted)
    allocate(wanted, server_id=OTHER)
    with db.read() as tx:
        tx.connection()  # BEGIN counts too
        before = db.statements
        found = server_ports.addresses(tx, [SERVER, OTHER, "nobody"])
        assert db.statements - before == 1
        assert set(found) == {SERVER, OTHER}
        assert sorted(entry["version"] for entry in found[SERVER]) == [4, 6]
        assert {entry["network"] for entry in found[SERVER]} == {"net"}
        assert server_ports.security_groups(tx, "project-a", found[SERVER]) == ["default"]
        for server_id, entries in found.items():
            for entry in entries:
                assert server_ports.server_of_address(tx, network_id, entry["address"]) == server_id
        assert server_ports.server_of_address(tx, str(uuid.uuid4()), found[SERVER][0]["address"]) is None
        assert sorted(server_ports.servers_with_address(tx, "10.0.0.%")) == [SERVER, OTHER]
        assert server_ports.servers_with_address(tx, "10.0.0.%", 6) == []


def test_a_users_port_that_names_a_server_is_not_that_servers(db, make_network):
    """device_id is free text to users: it must not open another server's metadata."""
    network_id = make_network("10.0.0.0/24")
    make_port(db, network_id, "10.0.0.66", device_id=SERVER, device_owner="compute:nova", mac="fa:16:3e:00:00:09")
    with db.write() as tx:
        assert server_ports.server_of_address(tx, network_id, "10.0.0.66") is None
        assert server_ports.addresses(tx, [SERVER]) == {} and server_ports.nics(tx, SERVER) == []
        assert server_ports.release(tx, SERVER) == []


def test_security_groups_by_name_or_id(db, ctx, check, allocate, make_network):
    make_network("10.0.0.0/24")
    with db.write() as tx:
        rows = [SecurityGroup(id=str(uuid.uuid4()), project_id=project, name=name, description="")
                for project, name in (("project-a", "web"), ("project-a", "twice"), ("project-a", "twice"), ("somebody-else", "theirs"))]
        tx.add_all(rows)
        tx.flush()
        web, theirs = rows[0].id, rows[3].id
        default = db_securitygroups.default_id("project-a")
        assert server_ports.check_groups(tx, ctx, []) == server_ports.check_groups(tx, ctx, ["default"]) == []
        assert server_ports.check_groups(tx, ctx, ["web", "default", web]) == [web, default]
        for unknown in ("mail", "theirs", theirs):
            with pytest.raises(exception.Invalid, match=f"Security group {unknown} not found"):
                server_ports.check_groups(tx, ctx, ["web", unknown])
        with pytest.raises(exception.Conflict, match="twice"):
            server_ports.check_groups(tx, ctx, ["twice"])
    given = allocate([{**nic, "security_groups": [web]} for nic in check(None)])
    assert [nic["security_groups"] for nic in given] == [[web]]
