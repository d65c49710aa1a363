"""What image and flavor may choose for a guest's machine: one table of properties and the words that they take. Pure.

An image says ``hw_name``, a flavor ``hw:name``; where both do and differ, the host says so rather than choose.
"""
from dataclasses import dataclass

from nova_lite import exception
from nova_lite.virt import types

TRUE = ("1", "t", "true", "on", "y", "yes")
FALSE = ("0", "f", "false", "off", "n", "no")


@dataclass(frozen=True)
class Choice:
    """A property of images, the words it takes (none: any), and the flavor's extra spec of the same meaning, if there is one."""

    words: tuple[str, ...] = ()
    spec: str | None = None


TABLE: dict[str, Choice] = {
    "hw_disk_bus": Choice(("virtio", "scsi", "ide", "sata", "usb")),
    "hw_cdrom_bus": Choice(("ide", "sata", "scsi", "usb")),
    "hw_scsi_model": Choice(("virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi", "buslogic", "ibmvscsi")),
    "hw_vif_model": Choice(("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3")),
    "hw_video_model": Choice(("vga", "virtio", "qxl", "cirrus", "vmvga", "bochs", "ramfb", "none")),
    "hw_rng_model": Choice(("virtio",)),
    "hw_watchdog_action": Choice(("disabled", "reset", "poweroff", "pause", "none"), "hw:watchdog_action"),
    "hw_tpm_version": Choice(("1.2", "2.0"), "hw:tpm_version"),
    "hw_tpm_model": Choice(("tpm-tis", "tpm-crb"), "hw:tpm_model"),
    "hw_input_bus": Choice(("usb", "virtio")),
    "hw_pointer_model": Choice(("usbtablet", "ps2mouse")),
    "hw_usb_model": Choice(("qemu-xhci", "nec-xhci", "none"), "hw:usb_model"),
    "hw_sound_model": Choice(("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"), "hw:sound_model"),
    "hw_firmware_type": Choice(("bios", "uefi")),
    "hw_vif_multiqueue_enabled": Choice((*TRUE, *FALSE), "hw:vif_multiqueue_enabled"),
    "hw_boot_menu": Choice((*TRUE, *FALSE), "hw:boot_menu"),
    "hw_pmu": Choice((*TRUE, *FALSE), "hw:pmu"),
    "hw_locked_memory": Choice((*TRUE, *FALSE), "hw:locked_memory"),
    "img_hide_hypervisor_id": Choice((*TRUE, *FALSE), "hide_hypervisor_id"),
}


def chosen(guest: types.Guest, name: str, default: str | None = None) -> str | None:
    """What image or flavor say of a property of the table. Raises HypervisorError for a word that it does not take."""
    choice = TABLE[name]
    by_flavor = guest.extra_specs.get(choice.spec) if choice.spec else None
    by_image = guest.properties.get(name)
    if by_image and by_flavor and str(by_image) != str(by_flavor):
        raise exception.HypervisorError(reason=f"the image says {name}={by_image}, the flavor {choice.spec}={by_flavor}")
    value = by_image or by_flavor or default
    return value if value is None else checked(name, str(value))


def checked(name: str, value: str) -> str:
    """``value`` if the property takes it. Raises HypervisorError."""
    words = TABLE[name].words
    if words and value not in words and not (words[:1] == TRUE[:1] and value.lower() in words):
        raise exception.HypervisorError(reason=f"{name} cannot be {value}; use {', '.join(words)}")
    return value


def truth(guest: types.Guest, name: str) -> bool | None:
    """What image or flavor say of a property that is true or false; None where they say nothing."""
    value = chosen(guest, name)
    return None if value is None else value.lower() in TRUE


def number(guest: types.Guest, spec: str, minimum: int = 0) -> int | None:
    """A number among the flavor's extra specs. Raises HypervisorError for what is none."""
    value = guest.extra_specs.get(spec)
    if value is None:
        return None
    if not str(value).lstrip("-").isdigit() or int(value) < minimum:
        raise exception.HypervisorError(reason=f"the flavor says {spec}={value}, which is not a number from {minimum} on")
    return int(value)
