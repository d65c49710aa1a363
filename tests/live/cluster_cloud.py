"""What users do with a cluster: a flavor, an image and a network in it, servers by REST, their consoles, and proof that nothing is left of them."""
import json
import pathlib
import time

import daemons
from tests.live.cluster import Cluster

READY = "nova-lite-guest: ready"
USAGE = ("vcpus_used", "memory_mb_used", "local_gb_used", "running_vms")


def address_of(server: dict) -> str:
    """Its address on the network between the hosts."""
    return server["addresses"]["between hosts"][0]["addr"]


def host_of(server: dict) -> str:
    """The name of its host."""
    return server["OS-EXT-SRV-ATTR:host"]


class CloudUser:
    """The administrator of a cluster that runs. ``guest``: as ``ensure_guest_image`` answers."""

    def __init__(self, cluster: Cluster, guest: dict):
        self.cluster = cluster
        self.compute = [cluster.client(api=number) for number in (1, 2)]
        self.network_api = cluster.client("network/v2.0", api=2)
        images = cluster.client("image/v2", api=2)
        kernel = self._upload(images, guest["kernel"], "aki")
        ramdisk = self._upload(images, guest["ramdisk"], "ari")
        self.image = self._upload(images, guest["root"], "ami", kernel_id=kernel, ramdisk_id=ramdisk, os_command_line=guest["command_line"])
        self.disk_image = self._upload(images, guest["disk"], "qcow2")
        self.flavor = self.post("/flavors", {"flavor": {"name": "small", "ram": 128, "vcpus": 1, "disk": 1}}, 200)["flavor"]["id"]
        answer = self.network_api.post("/networks", {"network": {"name": "between hosts"}})
        assert answer.status == 201, answer
        self.network = answer.json["network"]["id"]
        answer = self.network_api.post("/subnets", {"subnet": {"network_id": self.network, "ip_version": 4, "cidr": "10.77.0.0/24"}})
        assert answer.status == 201, answer
        self.unused = _usage(self)

    @staticmethod
    def _upload(images: daemons.Rest, path: pathlib.Path, disk_format: str, **properties) -> str:
        container = disk_format if disk_format in ("aki", "ari", "ami") else "bare"
        created = images.post("/images", {"name": path.name, "disk_format": disk_format, "container_format": container, **properties})
        assert created.status == 201, created
        answer = images.put(f"/images/{created.json['id']}/file", path.read_bytes(), headers={"Content-Type": "application/octet-stream"})
        assert answer.status == 204, answer
        return created.json["id"]

    def post(self, path: str, body: dict, status: int = 202, api: int = 1) -> dict:
        """POST to the Compute API; the answer's body."""
        answer = self.compute[api - 1].post(path, body)
        assert answer.status == status, answer
        return answer.json if answer.body else {}

    # ---- servers -------------------------------------------------------------------------------------------------------------
    def body(self, name: str, **changes) -> dict:
        """Of a create request."""
        return {"server": {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}], **changes}}

    def create(self, name: str, api: int = 1, **changes) -> str:
        """Ask for one server; its id."""
        return self.post("/servers", self.body(name, **changes), api=api)["server"]["id"]

    def create_many(self, name: str, count: int, api: int = 1) -> list[str]:
        """Ask for several in one request; their ids."""
        reservation = self.post("/servers", self.body(name, min_count=count, return_reservation_id=True), api=api)["reservation_id"]
        ids = [server["id"] for server in self.servers(f"?reservation_id={reservation}")]
        assert len(ids) == count
        return ids

    def servers(self, query: str = "", api: int = 1) -> list[dict]:
        """GET /servers/detail."""
        answer = self.compute[api - 1].get(f"/servers/detail{query}")
        assert answer.status == 200, answer
        return answer.json["servers"]

    def show(self, server_id: str) -> dict | None:
        """The server; None when there is none."""
        answer = self.compute[0].get(f"/servers/{server_id}")
        assert answer.status in (200, 404), answer
        return answer.json["server"] if answer.status == 200 else None

    def act(self, server_id: str, action: str, argument=None, api: int = 1) -> None:
        """POST an action."""
        self.post(f"/servers/{server_id}/action", {action: argument}, api=api)

    def wait(self, ids: list[str], status: str = "ACTIVE", seconds: float = 120.0) -> dict[str, dict]:
        """The servers once all have the status and no task."""
        def settled():
            found = {server["id"]: server for server in self.servers() if server["id"] in ids}
            bad = [server for server in found.values() if server["status"] == "ERROR" and status != "ERROR"]
            assert not bad, [(server["id"], server.get("fault")) for server in bad]
            ends = [server["status"] == status and server["OS-EXT-STS:task_state"] is None for server in found.values()]
            return found if len(found) == len(ids) and all(ends) else None
        return daemons.wait_until(f"servers {ids} are {status}", settled, seconds, 0.2)

    def wait_ended(self, ids: list[str], seconds: float) -> dict[str, str]:
        """The servers' statuses once none of them is under way any more: ACTIVE, or ERROR with a reason."""
        def ended():
            found = {server["id"]: server for server in self.servers() if server["id"] in ids}
            assert set(found) == set(ids), set(ids) - set(found)
            busy = [server for server in found.values() if server["status"] not in ("ACTIVE", "ERROR") or server["OS-EXT-STS:task_state"]]
            return found if not busy else None
        found = daemons.wait_until(f"servers {ids} are ACTIVE or ERROR", ended, seconds, 0.2) if ids else {}
        for server in found.values():
            assert server["status"] == "ACTIVE" or server["fault"]["message"], server
        return {server_id: server["status"] if server["status"] == "ACTIVE" else f"ERROR: {server['fault']['message']}"
                for server_id, server in found.items()}

    def console(self, server_id: str, api: int = 1) -> str:
        """The serial console's text; empty while there is none."""
        answer = self.compute[api - 1].post(f"/servers/{server_id}/action", {"os-getConsoleOutput": {}})
        assert answer.status in (200, 404, 409), answer
        return answer.json["output"] if answer.status == 200 else ""

    def wait_console(self, server_id: str, text: str, seconds: float = 120.0) -> str:
        """The console once ``text`` is on it."""
        def printed():
            output = self.console(server_id)
            return output if text in output else None
        try:
            return daemons.wait_until(f"{text!r} on the console of {server_id}", printed, seconds, 0.3)
        except TimeoutError:
            print(self.console(server_id)[-3000:])
            raise

    def delete(self, ids: list[str], seconds: float = 60.0) -> None:
        """Delete servers, through both APIs in turn, and see them gone."""
        for number, server_id in enumerate(ids):
            answer = self.compute[number % 2].delete(f"/servers/{server_id}")
            assert answer.status in (204, 404), answer
        self.wait_gone(ids, seconds)

    def wait_gone(self, ids: list[str], seconds: float = 60.0) -> None:
        """Return once none of the servers exists."""
        daemons.wait_until(f"servers {ids} are gone", lambda: not {server["id"] for server in self.servers()} & set(ids), seconds, 0.2)

    # ---- what is left --------------------------------------------------------------------------------------------------------
    def delete_all(self) -> None:
        """Delete every server."""
        self.delete([server["id"] for server in self.servers("?all_tenants=1")])

    def assert_nothing_left(self, seconds: float = 60.0) -> float:
        """Wait until nothing is left; how long it took. The books agree, too."""
        began = time.monotonic()
        try:
            daemons.wait_until("nothing is left", lambda: not _left(self), seconds, 0.3)
        except TimeoutError:
            raise AssertionError(f"after {seconds} s there is left: {json.dumps(_left(self), indent=1)}") from None
        took = time.monotonic() - began
        assert self.cluster.manage("audit") == "0 differences\n"
        return took


def migration_of(user: CloudUser, server_id: str) -> dict:
    """The server's latest migration."""
    answer = user.compute[0].get(f"/os-migrations?instance_uuid={server_id}")
    assert answer.status == 200, answer
    return answer.json["migrations"][0]


def _usage(user: CloudUser) -> dict[str, dict]:
    """What is counted as used of each host, what is reserved included."""
    hypervisors = user.compute[0].get("/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.87"}).json["hypervisors"]
    return {f"usage of {each['service']['host']}": {key: each[key] for key in USAGE} for each in hypervisors}


def _left(user: CloudUser) -> dict:
    """All that is still there of servers, here and on the hosts; empty when nothing is."""
    found = {host.name: {kind: names for kind, names in host.left().items() if names} for host in user.cluster.hosts}
    found |= {name: usage for name, usage in _usage(user).items() if usage != user.unused[name]}
    absolute = user.compute[1].get("/limits").json["limits"]["absolute"]
    found["quota"] = {key: absolute[key] for key in ("totalInstancesUsed", "totalCoresUsed", "totalRAMUsed") if absolute[key]}
    found["ports"] = [port["id"] for port in user.network_api.get("/ports").json["ports"]]
    found["servers"] = [server["id"] for server in user.servers("?all_tenants=1")]
    return {key: value for key, value in found.items() if value}
