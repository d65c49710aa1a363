"""The mechanism: an XML element is a class whose attributes say where each value goes. Knows nothing of libvirt.

::

    class Disk(Element):
        tag = "disk"
        device = Value("@device")              # <disk device="...">
        source = Value("source/@file")         #   <source file="..."/>
        serial = Value("serial")               #   <serial>...</serial>
        iotune = Part("iotune")                #   another Element, or a list of them, inside <iotune> ("" for directly inside)

    to_text(Disk(device="disk", source="/x"))

A value of None is left out, True and False are yes and no. Values appear in the order in which the class declares them.
"""
from xml.etree import ElementTree


class Value:
    """A value at ``path``: names of nested elements, then ``@attribute``, or without it the last element's text."""

    def __init__(self, path: str, default=None):
        steps, at, self._attribute = path.rpartition("@")
        self._steps = [step for step in (steps if at else path).split("/") if step]
        if not at:
            self._attribute = None
        self.default = default

    def write(self, node: ElementTree.Element, value) -> None:
        """Put ``value`` into ``node``, making the elements on the way that are not there."""
        for step in self._steps:
            child = node.find(step)
            node = ElementTree.SubElement(node, step) if child is None else child
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        if self._attribute is None:
            node.text = text
        else:
            node.set(self._attribute, text)


class Flag:
    """An empty element at ``path`` where the value is true, nothing where it is not."""

    def __init__(self, path: str, default: bool = False):
        self._path = path
        self.default = default

    def write(self, node: ElementTree.Element, value) -> None:
        """Put the element into ``node``."""
        if value:
            for step in self._path.split("/"):
                child = node.find(step)
                node = ElementTree.SubElement(node, step) if child is None else child


class Part:
    """One Element or a list of them, inside the element named ``path`` ("": directly inside)."""

    def __init__(self, path: str = ""):
        self._path = path
        self.default = None

    def write(self, node: ElementTree.Element, value) -> None:
        """Put the element or elements into ``node``."""
        if self._path:
            node = ElementTree.SubElement(node, self._path)
        for part in value if isinstance(value, list | tuple) else (value,):
            node.append(part.node())


class Element:
    """Base of all elements: takes its declared values as keyword arguments."""

    tag = ""
    _slots: dict = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._slots = {**cls._slots, **{name: slot for name, slot in vars(cls).items() if isinstance(slot, Value | Flag | Part)}}

    def __init__(self, **values):
        unknown = values.keys() - self._slots.keys()
        if unknown:
            raise TypeError(f"<{self.tag}> has no {', '.join(sorted(unknown))}")
        for name, slot in self._slots.items():
            setattr(self, name, values.get(name, slot.default))

    def node(self) -> ElementTree.Element:
        """This element for ElementTree."""
        node = ElementTree.Element(self.tag)
        for name, slot in self._slots.items():
            value = getattr(self, name)
            if value is not None:
                slot.write(node, value)
        return node


def to_text(element: Element) -> str:
    """The XML text of an element, indented."""
    node = element.node()
    ElementTree.indent(node)
    return ElementTree.tostring(node, encoding="unicode")
