"""No project gets more than its quota: takers race from several processes and green threads on each database, from the first counter on."""
import json
import subprocess
import sys

from nova_lite.compute import quota
from nova_lite.db import hosts, quotas
from nova_lite.db.engine import Database
from tests.unit.api.compute_client import QUOTA, ComputeClient

PROCESSES, THREADS, EACH = 4, 2, 10
DEFAULTS = {**QUOTA, "instances": 37, "cores": 1000, "ram": -1}
RACER = """
import json, sys, uuid
from nova_lite import concurrency
concurrency.patch()
from nova_lite import clock, exception
from nova_lite.compute import quota
from nova_lite.db.engine import Database
from nova_lite.db.models.compute import Server

url, threads, each, defaults = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
db = Database(url)

def take(amounts):
    while True:
        try:
            with db.write() as tx:
                quota.take(tx, "project", "user", amounts, defaults)
                tx.add(Server(id=str(uuid.uuid4()), project_id="project", user_id="user", reservation_id="r", name="s", hostname="s",
                              vm_state="active", flavorid="1", flavor={"vcpus": 2, "memory_mb": 512}, changed_at=clock.now()))
            return 1
        except exception.QuotaExceeded:
            return 0
        except exception.DatabaseDeadlock:
            concurrency.sleep(0)

def race(_):
    return sum(take({"instances": 1, "cores": 2, "ram": 512}) for _ in range(each))

print(sum(concurrency.map_parallel(race, range(threads))))
"""


def test_takers_race_for_a_limit(database_url):
    db = Database(database_url)
    db.create_all()
    command = [sys.executable, "-c", RACER, database_url, str(THREADS), str(EACH), json.dumps(DEFAULTS)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    admitted = [int(racer.communicate()[0]) for racer in racers]
    assert sum(admitted) == 37
    with db.write() as tx:
        assert quotas.usage(tx, "project") == {"instances": 37, "cores": 74, "ram": 37 * 512}
        assert quota.recount(tx) == {}
    db.close()


def test_the_statements_of_the_compute_resources_on_each_database(database_url, tmp_path):
    api = ComputeClient(tmp_path, database_url)
    for number in range(4):
        flavor = {"name": f"f{number}", "id": str(number), "ram": 64, "vcpus": 1, "disk": 1, "rxtx_factor": 0.1 * (number % 2 + 1),
                  "os-flavor-access:is_public": number != 3}
        assert api("POST", "/flavors", {"flavor": flavor})[0] == 200
    assert api("POST", "/flavors", {"flavor": flavor})[0] == 409
    assert api("POST", "/flavors/3/os-extra_specs", {"extra_specs": {"a": "b"}})[0] == 200
    assert [api("POST", "/flavors/3/action", {"addTenantAccess": {"tenant": "x"}})[0] for _ in range(2)] == [200, 409]
    for key in ("rxtx_factor", "description", "disabled", "is_public", "created_at"):
        for direction in ("asc", "desc"):
            assert walk(api, f"/flavors?is_public=None&sort_key={key}&sort_dir={direction}") == ["0", "1", "2", "3"]
    assert api("DELETE", "/flavors/3")[0] == 202
    key = {"keypair": {"name": "k", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"}}
    assert [api("POST", "/os-keypairs", key)[0] for _ in range(2)] == [201, 409] and api("DELETE", "/os-keypairs/k")[0] == 204
    sets = f"/os-quota-sets/{'p' * 32}"
    assert [api("PUT", f"{sets}?user_id=u", {"quota_set": {"cores": limit}})[1]["quota_set"]["cores"] for limit in (7, 8)] == [7, 8]
    assert api("PUT", sets, {"quota_set": {"cores": 7}})[0] == 400 and api("DELETE", sets)[0] == 202
    assert api("POST", "/os-aggregates", {"aggregate": {"name": "a", "availability_zone": "z"}})[0] == 200
    assert api("POST", "/os-aggregates", {"aggregate": {"name": "a"}})[0] == 409
    check_hosts(api)
    api.db.close()


def check_hosts(api) -> None:
    with api.db.write() as tx:
        for name in ("h1", "h2"):
            epoch = hosts.start_service(tx, "nova-compute", name)
            hosts.put_inventory(tx, name, epoch, hypervisor_hostname=name, hypervisor_type="QEMU", hypervisor_version=7, vcpus=8, memory_mb=16000,
                                disk_gb=100)
    assert [api("POST", "/os-aggregates/1/action", {"add_host": {"host": "h1"}})[0] for _ in range(2)] == [200, 409]
    assert [item["state"] for item in api("GET", "/os-services")[1]["services"]] == ["up", "up"]
    assert len(api("GET", "/os-hypervisors/detail?with_servers=true")[1]["hypervisors"]) == 2
    assert api("GET", "/os-hypervisors/statistics", version="2.1")[1]["hypervisor_statistics"]["vcpus"] == 16
    assert [zone["zoneName"] for zone in api("GET", "/os-availability-zone")[1]["availabilityZoneInfo"]] == ["nova", "z"]
    service = api("GET", "/os-services?host=h1")[1]["services"][0]["id"]
    assert api("PUT", f"/os-services/{service}", {"status": "disabled"})[0] == 200 and api("DELETE", f"/os-services/{service}")[0] == 204
    assert api("GET", "/os-aggregates/1")[1]["aggregate"]["hosts"] == [] and api("DELETE", "/os-aggregates/1")[0] == 200


def walk(api, path: str) -> list[str]:
    """The ids of all pages of one flavor each, sorted."""
    seen, marker = [], ""
    while len(seen) < 10:
        page = api("GET", f"{path}&limit=1{marker}")[1]["flavors"]
        if not page:
            break
        seen.append(page[0]["id"])
        marker = f"&marker={page[0]['id']}"
    return sorted(seen)
