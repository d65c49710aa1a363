"""Migrations as libvirt calls. Each function takes a virDomain, in a native thread."""
import libvirt

from nova_lite import exception
from nova_lite.virt.libvirt.live_pace import LiveSettings
from nova_lite.virt.live import Presence, Progress

ANY_SPEED = (2 ** 63 - 1) >> 20
"""In MiB a second, what libvirt takes for no limit."""
_PAUSED_ON_THE_WAY = (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED)
_FIELDS = {"memory_total": libvirt.VIR_DOMAIN_JOB_MEMORY_TOTAL, "memory_processed": libvirt.VIR_DOMAIN_JOB_MEMORY_PROCESSED,
           "memory_remaining": libvirt.VIR_DOMAIN_JOB_MEMORY_REMAINING, "disk_total": libvirt.VIR_DOMAIN_JOB_DISK_TOTAL,
           "disk_processed": libvirt.VIR_DOMAIN_JOB_DISK_PROCESSED, "disk_remaining": libvirt.VIR_DOMAIN_JOB_DISK_REMAINING}


def running_xml(domain) -> str:
    """What a destination would be told of the guest. Raises HypervisorError when it is off."""
    if not domain.isActive():
        raise exception.HypervisorError(reason=f"guest {domain.UUIDString()} is not running")
    return domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)


def migrate(domain, place: dict, xml: str, targets: list[str], block: str | None, settings: LiveSettings) -> None:
    """Send the guest and return when it runs there. ``block``: None, ``top`` (what it has on its base images) or ``whole``.

    Without ``place["live"]`` the guest stands still while its memory moves. Raises HypervisorError whatever happened: an error of libvirt's
    could be taken for one of the link, over which the call would run again.
    """
    flags = libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE | libvirt.VIR_MIGRATE_PERSIST_DEST
    if place["live"]:
        flags |= libvirt.VIR_MIGRATE_LIVE
    parameters = {libvirt.VIR_MIGRATE_PARAM_URI: place["migrate_uri"], libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS: place["listen"],
                  libvirt.VIR_MIGRATE_PARAM_DEST_XML: xml, libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: xml}
    if block is not None:
        flags |= libvirt.VIR_MIGRATE_NON_SHARED_INC if block == "top" else libvirt.VIR_MIGRATE_NON_SHARED_DISK
        parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = targets
    elif place["unsafe"]:
        flags |= libvirt.VIR_MIGRATE_UNSAFE
    if settings.bandwidth:
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = settings.bandwidth
    if settings.post_copy and place["live"]:
        flags |= libvirt.VIR_MIGRATE_POSTCOPY
    elif settings.auto_converge and place["live"]:
        flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
    if settings.native_tls:
        flags |= libvirt.VIR_MIGRATE_TLS
    try:
        domain.migrateToURI3(place["libvirt_uri"], parameters, flags)
    except libvirt.libvirtError as error:
        raise exception.HypervisorError(reason=str(error))


def progress(domain) -> Progress:
    """How far the migration is; nothing where none runs (any more)."""
    stats = domain.jobStats()
    if stats.get("type") in (None, libvirt.VIR_DOMAIN_JOB_NONE):
        return Progress()
    return Progress(**{name: int(stats.get(key, 0)) for name, key in _FIELDS.items()})


def set_downtime(domain, milliseconds: int) -> None:
    """For how long the guest may stand still at the switch."""
    domain.migrateSetMaxDowntime(milliseconds, 0)


def hurry(domain, post_copy: bool) -> None:
    """Come to an end, over all of the line: post-copy where that is permitted, else stop the guest until it is there."""
    domain.migrateSetMaxSpeed(ANY_SPEED)
    if post_copy:
        domain.migrateStartPostCopy(0)
    else:
        domain.suspend()


def abort(domain) -> None:
    """End the migration that runs; none is fine."""
    if _is_leaving(domain):
        domain.abortJob()


def presence(domain) -> Presence:
    """What this host has of the guest."""
    state, reason = domain.state()
    if not domain.isActive():
        return Presence.OFF
    if _is_coming(domain):
        return Presence.COMING
    if _is_leaving(domain):
        return Presence.LEAVING
    if state == libvirt.VIR_DOMAIN_PAUSED and reason in _PAUSED_ON_THE_WAY:
        # Defined for good only at the switch: what waits here without it has not come yet.
        return Presence.LEFT if domain.isPersistent() else Presence.COMING
    return Presence.HERE


def _is_coming(domain) -> bool:
    try:
        domain.jobInfo()
    except libvirt.libvirtError as error:
        # libvirt tells of a migration's progress at its source only.
        if error.get_error_code() in (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_OPERATION_INVALID):
            return True
        raise
    return False


def _is_leaving(domain) -> bool:
    return domain.jobInfo()[0] in (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
