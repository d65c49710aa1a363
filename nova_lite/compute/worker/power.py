"""Power: reboot, start, stop, pause, suspend, carried out."""
from nova_lite import exception, log
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)


def reboot(job: Job) -> dict:
    """Ask the guest to restart; one that does not within the timeout is reset."""
    if job.again:
        # Whether the guest has restarted meanwhile cannot be known; that it runs can.
        return _as_it_is(job)
    if not job.shop.driver.reboot_soft(job.server.id, job.shop.reboot_timeout):
        return reboot_hard(job)
    return _running()


def reboot_hard(job: Job) -> dict:
    """Cut the power, define the guest anew from the database, start it. Also mends a server in ERROR whose disks are whole."""
    guest, nics = job_.description(job)
    job_.prepare_networks(job, nics)
    job.shop.driver.reboot_hard(guest)
    return _running()


def start(job: Job) -> dict:
    """Start a stopped guest."""
    guest, nics = job_.description(job)
    job_.prepare_networks(job, nics)
    job.shop.driver.start_guest(guest)
    return _running()


def stop(job: Job) -> dict:
    """Shut down; the power is cut when the guest does not go by itself in time."""
    try:
        job.shop.driver.stop_guest(job.server.id, _shutdown_timeout(job))
    except exception.GuestNotFound:
        # Nothing runs: that is what was asked for. start defines the guest anew.
        pass
    return {"power_state": int(PowerState.SHUTDOWN)}


def pause(job: Job) -> dict:
    """Stop the guest's CPUs; its memory stays."""
    job.shop.driver.pause_guest(job.server.id)
    return {"power_state": int(PowerState.PAUSED)}


def unpause(job: Job) -> dict:
    """Let the CPUs go on."""
    job.shop.driver.unpause_guest(job.server.id)
    return _running()


def suspend(job: Job) -> dict:
    """Write the guest's memory to disk and switch it off."""
    job.shop.driver.suspend_guest(job.server.id)
    return {"power_state": int(PowerState.SUSPENDED)}


def resume(job: Job) -> dict:
    """Go on from the memory on disk; boot where that is lost."""
    guest, nics = job_.description(job)
    job_.prepare_networks(job, nics)
    job.shop.driver.start_guest(guest)
    return _running()


def trigger_crash_dump(job: Job) -> dict:
    """Send the guest a non-maskable interrupt; what it does with it is its own."""
    job.shop.driver.inject_nmi(job.server.id)
    return {}


def change_password(job: Job) -> dict:
    """Have the guest's agent set the administrator's password."""
    if job.secret is None:
        raise exception.Conflict("The new password was lost on its way to the server's host; ask again.")
    properties = job.server.image.get("properties", {})
    user = properties.get("os_admin_user") or ("Administrator" if properties.get("os_type") == "windows" else "root")
    try:
        job.shop.driver.set_password(job.server.id, user, job.secret)
    except (exception.GuestNotFound, exception.HypervisorError) as error:
        LOG.warning("server %s: %s", job.server.id, error)
        raise exception.Conflict(f"Failed to set admin password on {job.server.id} because error setting admin password")
    return {}


def _shutdown_timeout(job: Job) -> int:
    asked = job.server.image.get("properties", {}).get("os_shutdown_timeout")
    return int(asked) if asked is not None and str(asked).isdigit() else job.shop.shutdown_timeout


def _running() -> dict:
    return {"power_state": int(PowerState.RUNNING)}


def _as_it_is(job: Job) -> dict:
    state = job.shop.driver.power_state(job.server.id)
    return {"power_state": int(state), "vm_state": "active" if state == PowerState.RUNNING else "stopped"}
