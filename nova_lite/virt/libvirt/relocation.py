"""From the XML of a guest that runs here to the XML of the same guest on another host: pure functions of texts.

What the guest sees stays to the last address; what only the host sees follows the destination: paths below the state path, the mark that the
domain is ours, the account that QEMU runs as, the CPUs and the memory that it lies on.
"""
from xml.etree import ElementTree

from nova_lite.virt.libvirt.xml import domain as dom


def relocate(xml: str, source: str, destination: str, run_as_root: bool, whereabouts: dict | None = None) -> str:
    """``xml`` (of VIR_DOMAIN_XML_MIGRATABLE) with ``destination`` as state path in place of ``source``.

    ``whereabouts``: as the destination's ``tuning`` has them; None leaves what is there.
    """
    root = ElementTree.fromstring(xml)
    names = root.findall(f".//{{{dom.NAMESPACE}}}name")
    for node in root.iter():
        if node in names:
            # The user's, who may call a server what they like.
            continue
        node.text = _moved(node.text, source, destination)
        for name, value in node.attrib.items():
            node.set(name, _moved(value, source, destination))
    for disk in root.iterfind("devices/disk"):
        # The destination looks for itself what its disks are made from.
        for chain in disk.findall("backingStore"):
            disk.remove(chain)
    for label in root.findall("seclabel"):
        root.remove(label)
    if run_as_root:
        root.append(dom.SecurityLabel(label="+0:+0").node())
    if whereabouts is not None:
        _lay(root, whereabouts)
    return ElementTree.tostring(root, encoding="unicode")


def _lay(root: ElementTree.Element, whereabouts: dict) -> None:
    for tag in ("cputune", "numatune", "memoryBacking"):
        for node in root.findall(tag):
            root.remove(node)
        if whereabouts[tag] is not None:
            root.append(ElementTree.fromstring(whereabouts[tag]))
    vcpu = root.find("vcpu")
    vcpu.attrib.pop("cpuset", None)
    if whereabouts["floor"] is not None:
        vcpu.set("cpuset", whereabouts["floor"])


def _moved(text: str | None, source: str, destination: str) -> str | None:
    if text is not None and (text == source or text.startswith(source.rstrip("/") + "/")):
        return destination + text[len(source):]
    return text


def facts(xml: str) -> dict:
    """What a destination must be able to give: machine type, CPU (as XML, None where any will do), virtualization, architecture."""
    root = ElementTree.fromstring(xml)
    cpu = root.find("cpu")
    named = cpu is not None and (cpu.find("model") is not None or cpu.get("mode") not in (None, "custom"))
    return {"virt_type": root.get("type"), "arch": root.find("os/type").get("arch"), "machine": root.find("os/type").get("machine"),
            "cpu": ElementTree.tostring(cpu, encoding="unicode") if named else None}


def disks(xml: str) -> list[dict]:
    """The disks that have a content of their own: ``path``, ``format``, ``target`` (the guest's name), ``cache``."""
    found = []
    for disk in ElementTree.fromstring(xml).iterfind("devices/disk"):
        source, driver = disk.find("source"), disk.find("driver")
        if disk.get("device") == "disk" and source is not None and source.get("file"):
            found.append({"path": source.get("file"), "format": driver.get("type"), "target": disk.find("target").get("dev"),
                          "cache": driver.get("cache")})
    return found
