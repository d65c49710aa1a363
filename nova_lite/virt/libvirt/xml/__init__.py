"""libvirt's domain XML as declarative classes: ``element.py`` is the mechanism, the other modules one part of a domain each."""
