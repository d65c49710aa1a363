"""PCI devices that guests are given whole: which a host offers (``devices``), what flavors ask for (``aliases``), which ones they get (``choice``).

Pure; options and names are those of Nova's section ``[pci]``.
"""
