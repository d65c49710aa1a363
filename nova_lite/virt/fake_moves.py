"""How fake guests move between the fake machines of one process: with real bookkeeping, in as much time as they are told to take."""
import base64
from collections.abc import Callable

from nova_lite import clock, concurrency, exception
from nova_lite.virt import types
from nova_lite.virt.copies import Copies
from nova_lite.virt.fake_copies import FakeCopies
from nova_lite.virt.live import Fetch, Live, Order, Presence, Progress, Watch
from nova_lite.virt.moves import Moves
from nova_lite.virt.types import PowerState

STEP_SECONDS = 0.05


class FakeMoves(Moves):
    """``driver``: a FakeDriver; ``machines``: the FakeHypervisor of each host by name; ``seconds``: how long a guest that runs takes.

    ``fetch_bases(guest, fetch)``: have the images that its disks are made from here.
    """

    def __init__(self, driver, host: str, machines: dict, seconds: float, fetch_bases: Callable):
        self._driver = driver
        self._live = FakeLive(driver, host, machines, seconds)
        self._copies = FakeCopies(driver, fetch_bases)

    def live(self) -> Live:
        return self._live

    def reaches(self, server_id: str) -> bool:
        return server_id in self._driver.guest_files()

    def unfinished(self) -> dict[str, list[str]]:
        here, found = self._driver.hypervisor, {}
        for name, of in (("disk.next", here.staged), ("disk.before", here.aside), ("disk.part", here.incoming)):
            for server_id in of:
                found.setdefault(server_id, []).append(name)
        return found

    def copies(self) -> Copies:
        return self._copies


class FakeLive(Live):
    """Moves the FakeGuest itself from one machine's books to the other's, at the very end and all at once."""

    def __init__(self, driver, host: str, machines: dict, seconds: float):
        self._driver, self._host, self._machines, self._seconds = driver, host, machines, seconds

    @property
    def _here(self):
        return self._driver.hypervisor

    def offer(self, guest: types.Guest) -> dict:
        found = self._here.find(guest.server_id)
        if found.state not in (PowerState.RUNNING, PowerState.PAUSED):
            raise exception.HypervisorError(reason=f"guest {guest.server_id} is not running")
        return {"host": self._host}

    def withdraw(self, server_id: str) -> None:
        """An offer leaves nothing."""

    def check(self, guest: types.Guest, offer: dict, block: bool | None, over_commit: bool) -> dict:
        if block is False:
            raise exception.MoveRefused(reason=f"{self._host} is not on shared storage with {offer['host']}: the disks must be copied "
                                               "(block_migration)")
        return {"block": True}

    def receive(self, guest: types.Guest, offer: dict, plan: dict, fetch: Fetch) -> dict:
        self._driver.create_disks(guest, fetch)
        return {"host": self._host}

    def migrate(self, guest: types.Guest, plan: dict, place: dict, watch: Watch) -> None:
        there, server_id = self._machines[place["host"]], guest.server_id
        self._here.leaving.add(server_id)
        there.coming.add(server_id)
        try:
            self._copy(guest, watch)
            if server_id not in there.coming or server_id not in self._here.leaving:
                raise exception.HypervisorError(reason=f"the connection to {place['host']} broke")
            self._here.hand_over(server_id, there)
        finally:
            self._here.leaving.discard(server_id)
            there.coming.discard(server_id)

    def _copy(self, guest: types.Guest, watch: Watch) -> None:
        began, total, disk = clock.monotonic(), guest.memory_mb << 20, sum(disk.size_mb for disk in guest.disks) << 20
        while True:
            share = min(1.0, (clock.monotonic() - began) / self._seconds) if self._seconds else 1.0
            done, copied = int(total * share), int(disk * share)
            order = watch(Progress(total, done, total - done, disk, copied, disk - copied))
            if order == Order.ABORT:
                raise exception.MoveCancelled(server_id=guest.server_id)
            if order == Order.COMPLETE or share >= 1.0:
                return
            concurrency.sleep(STEP_SECONDS)

    def presence(self, server_id: str) -> Presence:
        if server_id in self._here.leaving:
            return Presence.LEAVING
        if server_id in self._here.coming:
            return Presence.COMING
        found = self._here.guests.get(server_id)
        if found is None:
            return Presence.NONE
        return Presence.HERE if found.state in (PowerState.RUNNING, PowerState.PAUSED) else Presence.OFF

    def halt(self, server_id: str) -> Presence:
        self._here.leaving.discard(server_id)
        return self.presence(server_id)

    def entrust(self, server_id: str, host: str, plan: dict) -> None:
        """Fake machines share nothing."""

    def farewell(self, server_id: str) -> dict:
        return {"console": base64.b64encode(b"moved").decode()}

    def settle(self, server_id: str, luggage: dict) -> None:
        """All that a fake guest has came with it."""

    def discard(self, server_id: str, plan: dict) -> None:
        self._here.coming.discard(server_id)
        self._driver.destroy_guest(server_id)
        self._driver.delete_disks(server_id)
