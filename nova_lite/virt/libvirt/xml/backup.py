"""A backup job: which disks are copied, and to where."""
from nova_lite.virt.libvirt.xml.element import Element, Part, Value


class BackupDisk(Element):
    """One disk of the domain, copied to a file or left out."""

    tag = "disk"
    name = Value("@name")
    wanted = Value("@backup")
    type = Value("@type")
    format = Value("driver/@type")
    file = Value("target/@file")


class Backup(Element):
    """A push backup: QEMU writes the copies."""

    tag = "domainbackup"
    mode = Value("@mode", "push")
    disks = Part("disks")
