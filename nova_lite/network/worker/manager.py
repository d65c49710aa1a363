"""The network worker of one host: the endpoint of interfaces.network. It makes the host what the database says, one network at a time.

A message is a doorbell: each call reads the database anew, so a lost, late or repeated one does no harm, and ``reconcile`` needs none.
"""
import contextlib
import dataclasses
import logging
import os
import shutil
from collections.abc import Callable

from nova_lite import concurrency, exception
from nova_lite.db import host_networks as db_host_networks
from nova_lite.network.worker import description, dhcp, firewall
from nova_lite.network.worker.bridge import Devices
from nova_lite.network.worker.metadata import MetadataSockets
from nova_lite.network.worker.settings import NetworkSettings

LOG = logging.getLogger(__name__)


@dataclasses.dataclass
class _Turn:
    """One network's lock, and how far requests for it have been served: a run serves all that were asked before it began."""

    lock: concurrency.Lock = dataclasses.field(default_factory=concurrency.Lock)
    asked: int = 0
    served: int = 0


class NetworkWorker:
    """``db``: the Database; ``settings``: NetworkSettings; ``host``: this host's name in ports; ``metadata_app``: WSGI application or None.

    ``ring(host, network_ids)`` tells another host's worker to refresh; without it others learn of this host at their next ``reconcile``.
    """

    def __init__(self, db, settings: NetworkSettings, host: str, metadata_app=None, ring: Callable[[str, list[str]], None] | None = None):
        self._db, self._settings, self._host, self._ring = db, settings, host, ring
        self._devices = Devices(settings)
        self._dhcp = dhcp.Dhcp(settings)
        self._metadata = MetadataSockets(metadata_app)
        self._turns: dict[str, _Turn] = {}

    # ---- the interface
    def ping(self, ctx) -> str:
        """This host's name."""
        return self._host

    def prepare(self, ctx, *, network_ids: list) -> None:
        """Make the networks usable for guests here; nothing with driver = none. Raises NetworkNotFound, CommandFailed."""
        if self._settings.driver == "none":
            return
        made = concurrency.map_parallel(self._prepare_one, network_ids, limit=4)
        for network_id, found in zip(network_ids, made, strict=True):
            if not found:
                raise exception.NetworkNotFound(network_id=network_id)

    def refresh(self, ctx, *, network_ids: list) -> None:
        """Ports here came, changed or left: make it so; a network that no port here needs goes."""
        if self._settings.driver == "none":
            return
        for network_id in network_ids:
            self._refresh_one(network_id)

    # ---- start, sweep, end
    def check_host(self) -> None:
        """Say at start what stands in the way. Raises ConfigurationError when programs are missing."""
        if self._settings.driver == "none":
            return
        lacking = dhcp.available()
        if lacking:
            raise exception.ConfigurationError(reason=f"network.driver = linux needs programs that this machine lacks: {', '.join(lacking)}")
        obstacle = firewall.obstacle()
        if obstacle:
            LOG.warning("%s", obstacle)

    def reconcile(self) -> None:
        """Make this host equal to the database: at start, and from time to time."""
        if self._settings.driver == "none":
            return
        with self._db.read() as tx:
            wanted = db_host_networks.networks_on(tx, self._host)
        for network_id in sorted(wanted | set(self._present())):
            try:
                self._refresh_one(network_id)
            except Exception:
                LOG.exception("network %s could not be reconciled", network_id)

    def remove_all(self) -> None:
        """Take down every network of this host, guests or not: the host leaves the cloud."""
        for network_id in self._present():
            with self._turn(network_id).lock:
                self._remove(network_id)

    def stop(self) -> None:
        """Stop serving metadata; devices and DHCP stay, for the guests that stay."""
        self._metadata.close_all()

    # ---- one network
    def _present(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return os.listdir(self._settings.folder)
        return []

    def _turn(self, network_id: str) -> _Turn:
        return self._turns.setdefault(network_id, _Turn())

    def _prepare_one(self, network_id: str) -> bool:
        """False: there is no such network."""
        turn = self._turn(network_id)
        turn.asked += 1
        ticket = turn.asked
        with turn.lock:
            if turn.served < ticket:
                upto = turn.asked
                found = description.load(self._db, network_id, self._host)
                if found is None:
                    return False
                self._provide(found)
                turn.served = upto
            return True

    def _refresh_one(self, network_id: str) -> None:
        with self._turn(network_id).lock:
            found = description.load(self._db, network_id, self._host)
            if found is not None and found.plugged:
                self._provide(found)
            elif os.path.isdir(self._settings.folder_of(network_id)) and not self._devices.has_guests(network_id):
                self._remove(network_id)
                self._ring_peers(network_id, found)

    def _provide(self, found: description.Description) -> None:
        folder = self._settings.folder_of(found.network_id)
        joined = not self._devices.is_made(found.network_id)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        changed = self._devices.ensure(found)
        self._dhcp.ensure(found, changed)
        if description.METADATA_ADDRESS + "/32" in found.interfaces():
            self._metadata.ensure(found.network_id)
        else:
            self._metadata.close(found.network_id)
        if joined:
            self._ring_peers(found.network_id, found)

    def _remove(self, network_id: str) -> None:
        LOG.info("removing network %s from this host", network_id)
        self._metadata.close(network_id)
        self._dhcp.stop(network_id)
        self._devices.remove(network_id)
        shutil.rmtree(self._settings.folder_of(network_id), ignore_errors=True)

    def _ring_peers(self, network_id: str, found: description.Description | None) -> None:
        """The other hosts must send their floods here too, or no longer. A bell that fails is made up for by their ``reconcile``."""
        for peer in (found.peers if found is not None and self._ring is not None else ()):
            try:
                self._ring(peer, [network_id])
            except exception.NovaLiteError as error:
                LOG.warning("host %s was not told of network %s: %s", peer, network_id, error)
