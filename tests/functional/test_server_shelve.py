"""Shelving servers over HTTP, on an all-in-one with the fake driver that plays two hosts."""
import pytest

import daemons
from tests.functional.cloud import Cloud

TWO_HOSTS = {"compute": {"fake_hosts": 2}, "network": {"driver": "none"}}


@pytest.fixture(scope="module")
def cloud():
    with Cloud(TWO_HOSTS) as running:
        yield running


@pytest.fixture(scope="module")
def patient():
    """A cloud where shelved servers stay on their host."""
    with Cloud({"compute": {**TWO_HOSTS["compute"], "shelved_offload_time": -1}, "network": TWO_HOSTS["network"]}) as running:
        yield running


def version(cloud, number):
    return cloud.daemon.client(microversion=number)


def images(cloud, name):
    return cloud.daemon.client("image/v2").get(f"/images?name={name}").json["images"]


def host_of(server):
    return server["OS-EXT-SRV-ATTR:host"]


def shelve(cloud, server_id, status="SHELVED_OFFLOADED"):
    answer = cloud.act(server_id, "shelve")
    assert answer.status == 202, answer
    return cloud.wait(server_id, status)


def ports(cloud, server_id):
    found = cloud.daemon.client("network/v2.0").get(f"/ports?device_id={server_id}").json["ports"]
    return [(port["id"], port["fixed_ips"], port["binding:host_id"], port["status"]) for port in found]


def free_of_servers(cloud):
    hosts = cloud.admin.get("/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.87"}).json["hypervisors"]
    return sum(host["running_vms"] for host in hosts), sum(host["vcpus_used"] for host in hosts)


@pytest.mark.parametrize("before", [None, "os-stop", "pause", "suspend"])
def test_a_server_is_shelved_and_comes_back_on_the_host_that_is_named(cloud, before):
    empty = cloud.usage()
    server_id = cloud.boot(name=f"s-{before}")
    if before:
        assert cloud.act(server_id, before).status == 202
        cloud.wait(server_id, {"os-stop": "SHUTOFF", "pause": "PAUSED", "suspend": "SUSPENDED"}[before])
    was = cloud.show(server_id)
    (port_id, addresses, bound, _), = ports(cloud, server_id)
    assert bound == host_of(was)
    shown = shelve(cloud, server_id)
    assert (host_of(shown), shown["OS-EXT-SRV-ATTR:hypervisor_hostname"], shown["hostId"]) == (None, None, "")
    assert (shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:power_state"]) == ("shelved_offloaded", 4)
    assert shown["image"]["id"] == cloud.image and "fault" not in shown
    image, = images(cloud, f"s-{before}-shelved")
    assert (image["status"], image["image_type"], image["base_image_ref"]) == ("active", "snapshot", cloud.image)
    assert ports(cloud, server_id) == [(port_id, addresses, "", "DOWN")]
    # Hosts have nothing of it, its project's quota has.
    assert cloud.usage() == (empty[0], empty[1], empty[2] + 1, empty[3] + 1)
    for action in ("os-start", "shelve", "shelveOffload", "reboot"):
        argument = {"type": "HARD"} if action == "reboot" else None
        assert cloud.act(server_id, action, argument).status == 409
    other = next(name for name in hosts(cloud) if name != host_of(was))
    assert cloud.act(server_id, "unshelve", {"host": other}, version(cloud, "2.91")).status == 202
    back = cloud.wait(server_id)
    assert host_of(back) == other and back["image"]["id"] == cloud.image and back["addresses"] == was["addresses"]
    assert ports(cloud, server_id) == [(port_id, addresses, other, "ACTIVE")]
    assert images(cloud, f"s-{before}-shelved") == []
    assert cloud.act(server_id, "reboot", {"type": "HARD"}).status == 202
    cloud.wait(server_id)
    asked = [action["action"] for action in cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]]
    assert [name for name in asked if "shelve" in name] == ["unshelve", "shelve"]
    cloud.delete(server_id)
    assert cloud.usage() == empty


def hosts(cloud):
    return [found["hypervisor_hostname"] for found in cloud.admin.get("/os-hypervisors").json["hypervisors"]]


def test_an_offloaded_server_that_is_deleted_takes_its_image_with_it(cloud):
    empty, server_id = cloud.usage(), cloud.boot(name="doomed")
    shelve(cloud, server_id)
    assert len(images(cloud, "doomed-shelved")) == 1
    cloud.delete(server_id)
    assert images(cloud, "doomed-shelved") == [] and cloud.usage() == empty


def test_zones_and_hosts_to_come_back_to(cloud):
    first, second = hosts(cloud)
    aggregate = cloud.admin.post("/os-aggregates", {"aggregate": {"name": "east", "availability_zone": "east"}}).json["aggregate"]["id"]
    assert cloud.admin.post(f"/os-aggregates/{aggregate}/action", {"add_host": {"host": second}}).status == 200
    server_id = cloud.boot(name="pinned", availability_zone="nova")
    assert host_of(cloud.show(server_id)) == first
    late, member = version(cloud, "2.96"), cloud.add_user("traveller")

    def pinned():
        return late.get(f"/servers/{server_id}").json["server"]["pinned_availability_zone"]

    def unshelve(argument, client=late):
        return cloud.act(server_id, "unshelve", argument, client)

    shelve(cloud, server_id)
    assert pinned() == "nova"
    for argument, status, words in (
            ({"availability_zone": "nowhere"}, 400, "The requested availability zone is not available"),
            ({"host": "nobody"}, 400, "Compute host nobody could not be found."),
            ({"host": second}, 409, f'Host "{second}" is not in the availability zone "nova".'),
            ({"availability_zone": "east", "host": first}, 409, f'Host "{first}" is not in the availability zone "east".'),
            ({"zone": "east"}, 400, "Additional properties"), ({"host": None}, 400, "is not of type")):
        answer = unshelve(argument)
        assert answer.status == status and words in next(iter(answer.json.values()))["message"], answer
    assert unshelve({"availability_zone": "east"}, version(cloud, "2.77")).status == 202
    shown = cloud.wait(server_id)
    assert (host_of(shown), shown["OS-EXT-AZ:availability_zone"], pinned()) == (second, "east", "east")
    shelve(cloud, server_id)
    assert unshelve({"availability_zone": None, "host": first}).status == 202
    shown = cloud.wait(server_id)
    assert (host_of(shown), shown["OS-EXT-AZ:availability_zone"], pinned()) == (first, "nova", None)
    cloud.delete(server_id)
    mine = cloud.boot(member, name="mine")
    assert cloud.act(mine, "shelve", None, member).status == 202
    cloud.wait(mine, "SHELVED_OFFLOADED", member)
    mine_late = cloud.daemon.client(microversion="2.96", user="traveller", password="traveller" * 3, project="traveller")
    assert cloud.act(mine, "unshelve", {"host": first}, mine_late).status == 403
    assert cloud.act(mine, "unshelve", {"availability_zone": "east"}, mine_late).status == 202
    assert host_of(cloud.wait(mine)) == second
    cloud.delete(mine)
    assert cloud.admin.post(f"/os-aggregates/{aggregate}/action", {"remove_host": {"host": second}}).status == 200


def test_what_cannot_come_back_stays_shelved_and_says_why(cloud):
    server_id = cloud.boot(name="stuck")
    shelve(cloud, server_id)
    first, second = hosts(cloud)
    services = [service["id"] for service in cloud.admin.get("/os-services?binary=nova-compute").json["services"]]
    for service in services:
        assert cloud.admin.put(f"/os-services/{service}", {"status": "disabled"}).status == 200
    assert cloud.act(server_id, "unshelve").status == 202
    cloud.wait(server_id, "SHELVED_OFFLOADED")
    action = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"][0]
    assert action["action"] == "unshelve" and action["message"].startswith("No valid host was found.")
    for service in services:
        assert cloud.admin.put(f"/os-services/{service}", {"status": "enabled"}).status == 200
    image, = images(cloud, "stuck-shelved")
    image_api = cloud.daemon.client("image/v2")
    assert image_api.delete(f"/images/{image['id']}").status == 204
    before = cloud.usage()
    assert cloud.act(server_id, "unshelve").status == 202
    shown = cloud.wait(server_id, "SHELVED_OFFLOADED")
    assert host_of(shown) is None and cloud.usage() == before and ports(cloud, server_id)[0][2] == ""
    action = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"][0]
    assert image["id"] in action["message"] and first != second
    cloud.delete(server_id)


def test_a_shelved_server_stays_where_it_is_until_somebody_says_otherwise(patient):
    empty, server_id = patient.usage(), patient.boot(name="patient")
    host = host_of(patient.show(server_id))
    member = patient.add_user("plain")
    assert patient.act(server_id, "shelveOffload").status == 409
    shown = shelve(patient, server_id, "SHELVED")
    assert host_of(shown) == host and shown["OS-EXT-STS:power_state"] == 4 and len(images(patient, "patient-shelved")) == 1
    answer = patient.act(server_id, "unshelve", {"availability_zone": "nova"}, version(patient, "2.77"))
    assert answer.status == 409 and "must be SHELVED_OFFLOADED" in answer.json["conflictingRequest"]["message"]
    assert patient.act(server_id, "unshelve").status == 202
    assert host_of(patient.wait(server_id)) == host and images(patient, "patient-shelved") == []
    shelve(patient, server_id, "SHELVED")
    mine = patient.boot(member, name="mine")
    assert patient.act(mine, "shelve", None, member).status == 202
    patient.wait(mine, "SHELVED", member)
    assert patient.act(mine, "shelveOffload", None, member).status == 403
    assert patient.act(mine, "shelveOffload").status == 202 and patient.act(server_id, "shelveOffload").status == 202
    assert host_of(patient.wait(mine, "SHELVED_OFFLOADED")) is None and host_of(patient.wait(server_id, "SHELVED_OFFLOADED")) is None
    assert free_of_servers(patient) == (0, 0)
    patient.delete(mine)
    patient.delete(server_id)
    assert patient.usage() == empty


def test_shelved_servers_leave_in_time():
    with Cloud({"compute": {**TWO_HOSTS["compute"], "shelved_offload_time": 0.2, "shelved_poll_interval": 0.2},
                "network": TWO_HOSTS["network"]}) as hasty:
        server_id = hasty.boot(name="hasty")
        assert hasty.act(server_id, "shelve").status == 202
        hasty.wait(server_id, "SHELVED_OFFLOADED")
        asked = [action["action"] for action in hasty.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]]
        assert asked[:2] == ["shelveOffload", "shelve"]


@pytest.mark.parametrize("point", ["shelve.stopped", "shelve.stored", "shelve.shelved", "shelve_offload.gone", "scheduler.claim_move",
                                   "unshelve.addresses", "unshelve.disks", "unshelve.guest"])
def test_shelving_goes_on_after_the_process_died(point):
    with Cloud(TWO_HOSTS) as cloud:
        empty = cloud.usage()
        cloud.daemon.stop()
        cloud.daemon.start(hooks=f"{point}=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id = cloud.boot(name="survivor")
        address = cloud.show(server_id)["addresses"]
        assert cloud.act(server_id, "shelve").status == 202
        away = point.startswith("shelve")
        if not away:
            cloud.wait(server_id, "SHELVED_OFFLOADED")
            assert cloud.act(server_id, "unshelve").status == 202
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")
        if away:
            cloud.wait(server_id, "SHELVED_OFFLOADED")
            image, = images(cloud, "survivor-shelved")
            assert image["status"] == "active" and free_of_servers(cloud) == (0, 0)
            assert cloud.act(server_id, "unshelve").status == 202
        shown = cloud.wait(server_id)
        assert shown["addresses"] == address and images(cloud, "survivor-shelved") == [] and free_of_servers(cloud) == (1, 1)
        cloud.delete(server_id)
        assert cloud.usage() == empty


def test_what_a_tpm_knows_cannot_be_put_by(cloud):
    server_id = cloud.boot(name="secretive", imageRef=cloud.add_image(b"\0" * 4096, hw_tpm_version="2.0"))
    answer = cloud.act(server_id, "shelve")
    assert answer.status == 400 and "not supported for vTPM-enabled instance" in answer.json["badRequest"]["message"]
    cloud.delete(server_id)


def test_an_unshelving_that_an_administrator_ends_holds_nothing():
    with Cloud(TWO_HOSTS) as cloud:
        cloud.daemon.stop()
        cloud.daemon.start(hooks="unshelve.disks=wait:3")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id = cloud.boot(name="hasty")
        shelve(cloud, server_id)
        assert cloud.act(server_id, "unshelve").status == 202
        daemons.wait_until("it holds room", lambda: free_of_servers(cloud) == (1, 1), 20)
        assert cloud.act(server_id, "os-resetState", {"state": "error"}).status == 202
        assert free_of_servers(cloud) == (0, 0)
        daemons.wait_until("its ports are nowhere", lambda: [port[2] for port in ports(cloud, server_id)] == [""], 20)
        assert cloud.show(server_id)["status"] == "ERROR"
        cloud.delete(server_id)
        assert images(cloud, "hasty-shelved") == []
