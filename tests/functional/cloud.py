"""What the functional stories share: a cloud with an image, a flavor and a network, and requests in a line."""
import shutil

import daemons

UNLIMITED = dict.fromkeys(("instances", "cores", "ram"), -1)
FAST = {"service": {"report_interval": 0.5, "down_time": 5, "sweep_interval": 0.5}, "compute": {"power_sync_interval": 0.5}}


class Cloud:
    """An all-in-one on the fake driver. ``with`` starts and removes it."""

    def __init__(self, options: dict[str, dict] | None = None):
        merged = {name: dict(values) for name, values in FAST.items()}
        for name, values in {"quota": UNLIMITED, **(options or {})}.items():
            merged.setdefault(name, {}).update(values)
        self.daemon = daemons.AllInOne(merged)

    def __enter__(self) -> "Cloud":
        try:
            self.daemon.start()
            self.admin = self.daemon.client(microversion="2.90")
            self._furnish()
        except BaseException:
            print(self.daemon.log()[-5000:])
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info) -> None:
        self.daemon.stop()
        shutil.rmtree(self.daemon.folder, ignore_errors=True)

    def _furnish(self) -> None:
        self.image = self.add_image(b"\0" * 4096)
        self.flavor = self.admin.post("/flavors", {"flavor": {"name": "tiny", "ram": 64, "vcpus": 1, "disk": 1}}).json["flavor"]["id"]
        network = self.daemon.client("network/v2.0")
        self.network = network.post("/networks", {"network": {"name": "private", "shared": True}}).json["network"]["id"]
        answer = network.post("/subnets", {"subnet": {"network_id": self.network, "ip_version": 4, "cidr": "10.0.0.0/16"}})
        assert answer.status == 201, answer

    def add_image(self, content: bytes, **attributes) -> str:
        """Upload an image; its id."""
        image = self.daemon.client("image/v2")
        created = image.post("/images", {"name": "image", "disk_format": "raw", "container_format": "bare", "visibility": "public", **attributes})
        assert created.status == 201, created
        answer = image.put(f"/images/{created.json['id']}/file", content, headers={"Content-Type": "application/octet-stream"})
        assert answer.status == 204, answer
        return created.json["id"]

    def add_user(self, name: str) -> daemons.Rest:
        """A user with the role member on a project of its own; a Compute client of theirs."""
        identity = self.daemon.client("identity/v3")
        project = identity.post("/projects", {"project": {"name": name}}).json["project"]["id"]
        user = identity.post("/users", {"user": {"name": name, "password": name * 3}}).json["user"]["id"]
        role = next(role["id"] for role in identity.get("/roles").json["roles"] if role["name"] == "member")
        assert identity.put(f"/projects/{project}/users/{user}/roles/{role}").status == 204
        return self.daemon.client(microversion="2.90", user=name, password=name * 3, project=name)

    def body(self, name: str = "server", **changes) -> dict:
        """A create body; ``changes`` replace fields, None removes one."""
        server = {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}], **changes}
        return {"server": {key: value for key, value in server.items() if value is not None}}

    def create(self, client: daemons.Rest | None = None, name: str = "server", **changes) -> str:
        """Ask for a server; its id."""
        answer = (client or self.admin).post("/servers", self.body(name, **changes))
        assert answer.status == 202, answer
        return answer.json["server"]["id"]

    def show(self, server_id: str, client: daemons.Rest | None = None) -> dict:
        """The server."""
        answer = (client or self.admin).get(f"/servers/{server_id}")
        assert answer.status == 200, answer
        return answer.json["server"]

    def wait(self, server_id: str, status: str = "ACTIVE", client: daemons.Rest | None = None) -> dict:
        """The server once it has the status and no task."""
        def settled():
            server = self.show(server_id, client)
            return server if server["status"] == status and server["OS-EXT-STS:task_state"] is None else None
        try:
            return daemons.wait_until(f"server {server_id} is {status}", settled, 30)
        except TimeoutError:
            print(self.show(server_id, client), self.daemon.log()[-4000:])
            raise

    def boot(self, client: daemons.Rest | None = None, name: str = "server", **changes) -> str:
        """A server that is ACTIVE; its id."""
        server_id = self.create(client, name, **changes)
        self.wait(server_id, client=client)
        return server_id

    def act(self, server_id: str, action: str, argument=None, client: daemons.Rest | None = None) -> daemons.Answer:
        """POST an action."""
        return (client or self.admin).post(f"/servers/{server_id}/action", {action: argument})

    def delete(self, server_id: str) -> None:
        """Delete a server and see it gone."""
        assert self.admin.delete(f"/servers/{server_id}").status == 204
        daemons.wait_until(f"server {server_id} is gone", lambda: self.admin.get(f"/servers/{server_id}").status == 404, 30)

    def usage(self) -> tuple:
        """What hosts and quotas count: all zero in an empty cloud."""
        hosts = self.admin.get("/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.87"}).json["hypervisors"]
        limits = self.admin.get("/limits").json["limits"]["absolute"]
        return (sum(h["vcpus_used"] for h in hosts), sum(h["running_vms"] for h in hosts), limits["totalInstancesUsed"], limits["totalCoresUsed"])
