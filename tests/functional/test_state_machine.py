"""Random actions of several users on several servers, the process killed at random points: the API's answers follow the table of states, every
task ends, and the auditor finds nothing. The fake machines are kept in a file, so that guests outlive the process.

``NOVA_LITE_STATE_MACHINE=runs,steps`` makes it longer than the few runs that a test suite has time for, each run with other actions.
"""
import http.client
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import daemons
from nova_lite.compute import states
from tests.functional.cloud import Cloud

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUNS, STEPS = (int(number) for number in os.environ.get("NOVA_LITE_STATE_MACHINE", "2,10").split(","))
ENDS_WITHIN = 60.0
"""Seconds after which each task has ended, whatever was killed: no handler of the fake driver takes one."""
MOST_SERVERS = 4
NUMBERS = st.integers(0, MOST_SERVERS - 1)
HOOKS = ("build.addresses", "build.disks", "build.guest", "delete.guest", "rebuild.staged", "rebuild.swapped", "rebuild.guest", "rescue.disks",
         "resize.staged", "resize.swapped", "revert_resize.swapped", "move.started", "move.copied", "move.bound", "move.let_go", "confirm.ended",
         "revert.started", "revert.let_go", "revert.ended", "put_back.swapped", "snapshot.begun", "shelve.stopped", "shelve.stored", "shelve.shelved",
         "shelve_offload.gone", "unshelve.addresses", "unshelve.disks", "unshelve.guest", "evacuate.addresses", "evacuate.disks", "evacuate.guest",
         "live_migration.checked", "live_migration.prepared", "live_migration.received", "live_migration.switched", "live_migration.finished",
         "scheduler.claim", "scheduler.claim_move", "guest.start", "departure.stopped")
ACTIONS = {
    # row of the table: action of the API, its argument (None: whatever the machine says)
    "reboot": ("reboot", {"type": "SOFT"}), "reboot_hard": ("reboot", {"type": "HARD"}), "start": ("os-start", None), "stop": ("os-stop", None),
    "pause": ("pause", None), "unpause": ("unpause", None), "suspend": ("suspend", None), "resume": ("resume", None),
    "rebuild": ("rebuild", "image"), "rescue": ("rescue", None), "unrescue": ("unrescue", None), "resize": ("resize", "flavor"),
    "migrate": ("migrate", None), "confirm_resize": ("confirmResize", None), "revert_resize": ("revertResize", None),
    "shelve": ("shelve", None), "shelve_offload": ("shelveOffload", None), "unshelve": ("unshelve", None),
    "snapshot": ("createImage", {"name": "picture"}), "live_migrate": ("os-migrateLive", {"host": None, "block_migration": "auto"}),
}
FOR_ADMINS = ("migrate", "shelve_offload", "live_migrate")
ACCEPTED = (200, 202, 204)
HOSTS = ("host1-1", "host1-2")


GOLD = """{meta: {schema_version: '1.0'}, providers: [
  {identification: {uuid: $COMPUTE_NODE}, inventories: {additional: [CUSTOM_GOLD: {total: 64}]}}]}"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    providers = tmp_path_factory.mktemp("providers")
    (providers / "gold.yaml").write_text(GOLD)
    options = {"fake_hosts": 2, "fake_keep": True, "shelved_offload_time": 2, "shelved_poll_interval": 1, "fake_delay": 0.02,
               "provider_config_location": providers}
    with Cloud({"compute": options}) as running:
        running.other_image = running.add_image(b"other" * 500)
        running.large = running.admin.post("/flavors", {"flavor": {"name": "large", "ram": 128, "vcpus": 2, "disk": 2}}).json["flavor"]["id"]
        # What servers hold besides room goes through all of it too.
        for flavor, amount in ((running.flavor, "1"), (running.large, "3")):
            assert running.admin.post(f"/flavors/{flavor}/os-extra_specs", {"extra_specs": {"resources:CUSTOM_GOLD": amount}}).status == 200
        running.users = [running.add_user(name) for name in ("alice", "bob")]
        yield running


class Life(RuleBasedStateMachine):
    """``cloud`` is set by the test. Servers are known by number; what they are is what the API says."""

    cloud: Cloud

    def __init__(self):
        super().__init__()
        self.servers: list[tuple[str, int]] = []

    # ---- the process -------------------------------------------------------------------------------------------------------------
    def _restart(self, hooks: str = "") -> None:
        """The process, dead or not, is another one afterwards."""
        process = self.cloud.daemon.process
        if process.popen.poll() is None:
            process.kill()
        try:
            self.cloud.daemon.start(hooks)
        except RuntimeError:
            if not hooks or process.popen.returncode != -signal.SIGKILL:
                raise
            # It took up a task that came by the hook, before it served.
            self.cloud.daemon.start()

    def _call(self, client: daemons.Rest, method: str, path: str, body=None, **options):
        """The answer; None where the process died over it, so that nobody knows whether the request was accepted."""
        try:
            return client.call(method, path, body, **options)
        except (OSError, http.client.HTTPException):
            self._restart()
            return None

    def _show(self, server_id: str) -> dict | None:
        """The server as the administrator sees it, None when it is gone. The process may die at any moment, and is started again."""
        while True:
            answer = self._call(self.cloud.admin, "GET", f"/servers/{server_id}")
            if answer is not None:
                assert answer.status in (200, 404), answer
                return answer.json["server"] if answer.status == 200 else None

    def _settled(self, server_id: str) -> dict | None:
        """The server once it has no task, None when it is gone."""
        def look():
            server = self._show(server_id)
            return [server] if server is None or server["OS-EXT-STS:task_state"] is None and server["status"] != "BUILD" else None
        try:
            return daemons.wait_until(f"the task of server {server_id} ends", look, ENDS_WITHIN)[0]
        except TimeoutError:
            print(self._show(server_id), self.cloud.daemon.log()[-8000:])
            raise

    # ---- what users do -----------------------------------------------------------------------------------------------------------
    @initialize(hook=st.sampled_from(HOOKS), user=st.integers(0, 1))
    def begin(self, hook, user):
        self._restart(f"{hook}=kill")
        self.create(user)

    @rule(user=st.integers(0, 1))
    def create(self, user):
        if len(self.servers) < MOST_SERVERS:
            answer = self._call(self.cloud.users[user], "POST", "/servers", self.cloud.body(f"server{len(self.servers)}"))
            if answer is not None:
                assert answer.status == 202, answer
                self.servers.append((answer.json["server"]["id"], user))

    @rule(number=NUMBERS, choices=st.lists(st.integers(0, 99), min_size=1, max_size=4))
    def do_what_can_be_done(self, number, choices):
        """Some of the actions that the table allows the server, each once the one before has ended."""
        for choice in choices:
            server, user = self._pick(number, settled=True)
            allowed = [action for action in sorted(ACTIONS) if server and server["OS-EXT-STS:vm_state"] in states.ACTIONS[action].allowed]
            if allowed:
                self._ask(server, user, allowed[choice % len(allowed)])

    @rule(number=NUMBERS, action=st.sampled_from(sorted(ACTIONS)))
    def do_anything(self, number, action):
        """Any action, of a server in any state, with or without a task; a stranger is told that there is no such server."""
        server, user = self._pick(number)
        if server is not None:
            answer = self._call(self.cloud.users[1 - user], "POST", f"/servers/{server['id']}/action", {"os-stop": None})
            assert answer is None or answer.status == 404, answer
            self._ask(server, user, action)

    def _pick(self, number: int, settled: bool = False) -> tuple[dict | None, int]:
        """One of the servers that there are, and its user; (None, 0) where it is gone meanwhile, or there is none."""
        if not self.servers:
            return None, 0
        server_id, user = self.servers[number % len(self.servers)]
        server = self._settled(server_id) if settled else self._show(server_id)
        if server is None:
            self.servers.remove((server_id, user))
        return server, user

    def _ask(self, server: dict, user: int, action: str) -> None:
        key, argument = ACTIONS[action]
        if argument == "image":
            argument = {"imageRef": self.cloud.other_image if server["image"]["id"] == self.cloud.image else self.cloud.image}
        elif argument == "flavor":
            if server["flavor"]["original_name"] != "tiny":
                # Disks cannot be made smaller.
                return
            argument = {"flavorRef": self.cloud.large}
        client = self.cloud.admin if action in FOR_ADMINS else self.cloud.users[user]
        answer = self._call(client, "POST", f"/servers/{server['id']}/action", {key: argument})
        if answer is not None:
            self._check(server, action, answer)

    def _check(self, server: dict, action: str, answer) -> None:
        row, vm_state = states.ACTIONS[action], server["OS-EXT-STS:vm_state"]
        if server["OS-EXT-STS:task_state"] is not None or vm_state in (states.BUILDING, states.SHELVED):
            # Its task may end, and a shelved one may be offloaded, between the look and the request.
            expected = (*ACCEPTED, 409)
        elif vm_state in row.allowed:
            # Not all that a server in ERROR may be asked suits one that never was on a host.
            expected = (*ACCEPTED, 409) if vm_state == states.ERROR else ACCEPTED
        else:
            expected = (409,)
        assert answer.status in expected, (server, action, answer)

    @rule(number=NUMBERS)
    def delete(self, number):
        server, user = self._pick(number)
        if server is not None and len(self.servers) > 1:
            answer = self._call(self.cloud.users[user], "DELETE", f"/servers/{server['id']}")
            assert answer is None or answer.status in (204, 404), answer

    # ---- what happens to hosts ---------------------------------------------------------------------------------------------------
    @rule(hook=st.sampled_from((None, *HOOKS)))
    def kill(self, hook):
        """kill -9, and death at the first passage of ``hook`` from then on."""
        self._restart(f"{hook}=kill" if hook else "")

    @rule(number=NUMBERS)
    def evacuate(self, number):
        """The server's host is declared dead, and is back once the server runs elsewhere."""
        server, _ = self._pick(number, settled=True)
        if server is None or server["OS-EXT-SRV-ATTR:host"] is None:
            return
        host = server["OS-EXT-SRV-ATTR:host"]
        try:
            if not self._declare(host, True):
                return
            answer = self._call(self.cloud.admin, "POST", f"/servers/{server['id']}/action", {"evacuate": {}})
            if answer is not None:
                self._check(server, "evacuate", answer)
                after = self._settled(server["id"])
                if answer.status in ACCEPTED and after is not None and after["status"] != "ERROR":
                    assert after["OS-EXT-SRV-ATTR:host"] != host and after["addresses"] == server["addresses"], (server, after)
        finally:
            while not self._declare(host, False):
                pass

    def _declare(self, host: str, down: bool) -> bool:
        answer = self._call(self.cloud.admin, "PUT", "/os-services/force-down", {"host": host, "binary": "nova-compute", "forced_down": down},
                           headers={"OpenStack-API-Version": "compute 2.11"})
        return answer is not None and answer.status == 200

    # ---- the end -----------------------------------------------------------------------------------------------------------------
    def teardown(self):
        self._restart()
        alive = [server_id for server_id, _ in self.servers if self._settled(server_id) is not None]
        self._audit()
        for server_id in alive:
            assert self.cloud.admin.delete(f"/servers/{server_id}").status in (204, 404)
        for server_id in alive:
            daemons.wait_until(f"server {server_id} is gone", lambda server_id=server_id: self._show(server_id) is None, ENDS_WITHIN)
        self._remove_what_nobody_knows()
        self._audit()
        assert self.cloud.usage()[:2] == (0, 0)

    def _remove_what_nobody_knows(self) -> None:
        """Servers whose request was accepted by a process that died before it could say so."""
        for server in self.cloud.admin.get("/servers?all_tenants=1").json["servers"]:
            self._settled(server["id"])
            self.cloud.delete(server["id"])

    def _audit(self) -> None:
        """The auditor finds nothing, however long it is given for what is under way."""
        command = [sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(self.cloud.daemon.process.config), "audit", "--json",
                   "--settle", "8"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0 and json.loads(done.stdout) == [], (done.stdout, done.stderr[-2000:], self.cloud.daemon.log()[-6000:])


def test_whatever_users_do_and_whenever_it_dies(cloud):
    class OnThisCloud(Life):
        pass
    OnThisCloud.cloud = cloud
    run_state_machine_as_test(OnThisCloud, settings=settings(
        max_examples=RUNS, stateful_step_count=STEPS, deadline=None, database=None, derandomize="NOVA_LITE_STATE_MACHINE" not in os.environ,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck)))
