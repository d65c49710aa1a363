"""The compute worker put together."""
import importlib.metadata
from pathlib import Path

from nova_lite import concurrency, exception, log
from nova_lite.cmd import daemons, fakes
from nova_lite.cmd.inventory import Inventory
from nova_lite.cmd.wiring import Site
from nova_lite.compute.worker import boots, channel_note, delete, lost_moves, put_back, resize, shelve
from nova_lite.compute.worker.console import ConsoleRelay
from nova_lite.compute.worker.departures import Departures
from nova_lite.compute.worker.job import Workshop
from nova_lite.compute.worker.live_arrivals import LiveArrivals
from nova_lite.compute.worker.manager import ComputeWorker
from nova_lite.compute.worker.monitor import Monitor
from nova_lite.compute.worker.transfer import Channel, DiskServer
from nova_lite.compute.worker.watch import Watcher
from nova_lite.interfaces.compute import ComputeInterface
from nova_lite.interfaces.departures import DepartureInterface
from nova_lite.interfaces.live import LiveInterface
from nova_lite.numa import sets
from nova_lite.rpc import client as client_
from nova_lite.service.daemon import Daemon

LOG = log.get(__name__)


def compute(here: Site, fetch, images) -> list[Daemon]:
    """The compute worker of this host; with the fake driver as many as ``fake_hosts`` says.

    ``fetch``: image bytes by id; ``images``: an image.keeper.Keeper.
    """
    machines = fakes.machines(here.conf)
    return [_compute(here, fetch, images, host, machines) for host in fakes.host_names(here.conf)]


def driver_to_look_with(conf, host: str):
    """A driver with which another process than its worker's looks at a host's guests; None where they are in the worker's process alone."""
    if conf.compute.driver == "fake" and not conf.compute.fake_keep:
        return None
    # A copy: what looks must not write.
    return _driver(conf, host, dict(fakes.machines(conf)))


def _compute(here: Site, fetch, images, host: str, machines: dict) -> Daemon:
    conf = here.conf
    driver = _driver(conf, host, machines)
    daemon = daemons.daemon(here, "nova-compute", host)
    epoch = daemon.register()
    shop = Workshop(here.db, host, driver, here.network, here.scheduler, fetch, images, shutdown_timeout=conf.compute.shutdown_timeout,
                    reboot_timeout=conf.compute.reboot_timeout, max_attempts=conf.scheduler.max_attempts, down_time=conf.service.down_time,
                    dns_domain=conf.network.dns_domain,
                    compute=here.compute, departures=client_.client(here.transport, DepartureInterface), channel=_channel(conf),
                    peers=client_.client(here.transport, LiveInterface), live_turns=_turns(conf.compute.max_concurrent_live_migrations),
                    vendor_data=daemons.vendor_data(here), shelved_offload_time=conf.compute.shelved_offload_time)
    consoles = ConsoleRelay(driver, conf.my_ip, conf.compute.console_port)
    worker = ComputeWorker(shop, epoch, conf.compute.max_concurrent_builds, consoles)
    arrivals = LiveArrivals(shop, epoch)
    disks = DiskServer(here.db, driver, host, shop.channel, channel_note.path(conf.state_path, host))
    watcher = Watcher(worker)
    daemon.on_start(lambda: driver.start_host(watcher.on_event))
    daemon.on_stop(driver.stop_host)
    daemon.on_stop(consoles.stop)
    daemon.on_stop(disks.stop)
    daemon.on_start(watcher.come_back)
    daemon.on_return(watcher.come_back)
    monitor = Monitor() if "cpu" in conf.compute.compute_monitors else None
    inventory = Inventory(here, driver, host, epoch, monitor)
    daemon.on_start(inventory.put)
    daemon.on_start(lambda: put_back.at_start(shop))
    daemon.every(conf.service.sweep_interval, lambda: lost_moves.settle(worker))
    daemon.on_start(lambda: worker.sweep(starting=True))
    if conf.compute.resume_guests_state_on_host_boot:
        note = Path(conf.state_path, f"boot.{host}")
        daemon.on_start(lambda: boots.resume(watcher, note, boots.boot_id()))
    daemons.serve(here, daemon, ComputeInterface, worker, host)
    daemons.serve(here, daemon, LiveInterface, arrivals, host)
    daemons.serve(here, daemon, DepartureInterface, Departures(shop, epoch, disks, worker.is_busy), host)
    daemon.every(conf.service.report_interval * 3, inventory.put)
    daemon.every(conf.compute.power_sync_interval, watcher.sync, delay=0.0)
    daemon.every(conf.service.sweep_interval, worker.sweep)
    daemon.every(conf.service.sweep_interval, disks.rest)
    daemon.every(conf.service.sweep_interval * 6, watcher.remove_leftovers)
    if conf.compute.resize_confirm_window:
        window = conf.compute.resize_confirm_window
        daemon.every(min(60.0, window), lambda: resize.confirm_old(worker, window))
    if conf.compute.shelved_offload_time > 0:
        daemon.every(conf.compute.shelved_poll_interval, lambda: shelve.offload_old(worker))
    if conf.compute.reclaim_interval:
        daemon.every(min(60.0, conf.compute.reclaim_interval), lambda: delete.reclaim(worker, conf.compute.reclaim_interval))
    return daemon


def _channel(conf) -> Channel:
    own = conf.compute
    return Channel(conf.my_ip, own.transfer_port, own.transfer_certificate, own.transfer_key, own.transfer_authority)


def _turns(count: int) -> concurrency.Semaphore | None:
    return concurrency.Semaphore(count) if count else None


def _driver(conf, host: str, machines: dict):
    name = conf.compute.driver
    drivers = importlib.metadata.entry_points(group="nova_lite.virt")
    if name not in drivers.names:
        raise exception.ConfigurationError(reason=f"compute.driver = {name} is not installed; there are: {', '.join(sorted(drivers.names))}")
    try:
        plugin = drivers[name].load()
    except Exception as error:
        raise exception.ConfigurationError(reason=f"compute.driver = {name} cannot be loaded: {error}") from error
    cpus = sets.read(conf.compute.cpu_shared_set, conf.compute.cpu_dedicated_set, conf.compute.reserved_huge_pages)
    if name == "fake":
        return fakes.make(plugin, conf, host, machines, cpus)
    if name == "libvirt":
        from nova_lite.virt.libvirt.live_pace import LiveSettings
        from nova_lite.virt.libvirt.settings import LibvirtSettings
        chosen = conf.libvirt
        live = LiveSettings(
            chosen.live_migration_uri, chosen.live_migration_inbound_addr or conf.my_ip, chosen.live_migration_bandwidth,
            chosen.live_migration_downtime, chosen.live_migration_downtime_steps, chosen.live_migration_downtime_delay,
            chosen.live_migration_completion_timeout, chosen.live_migration_timeout_action, chosen.live_migration_permit_auto_converge,
            chosen.live_migration_permit_post_copy, chosen.live_migration_with_native_tls)
        return plugin(LibvirtSettings(live=live, host=host, state_path=conf.state_path, uri=chosen.connection_uri or "", virt_type=chosen.virt_type,
                                      host_ip=conf.my_ip, cpu_mode=conf.libvirt.cpu_mode or "", vnc=conf.vnc.enabled,
                                      spice=conf.spice.enabled, cpus=cpus, pci=bool(conf.pci.device_spec)))
    return plugin(host)
