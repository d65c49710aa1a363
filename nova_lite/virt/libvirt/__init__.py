"""The libvirt driver: QEMU/KVM guests, and containers. One file a thing; the only folder that imports libvirt.

``driver.py`` is the contract's face; ``connection.py`` and ``events.py`` talk to libvirtd; ``domain.py`` (with ``xml/``) says what a
guest is, ``lifecycle.py`` starts and ends it; ``images.py``, ``disks.py``, ``config_drive.py``, ``qemu_img.py`` make its disks;
``console.py`` reads its console; ``host.py`` says what this machine can do; ``settings.py`` is what the operator may choose.
``kinds.py`` is the table of what QEMU and LXC differ in; ``lxc_*.py`` is LXC's side of it.
"""
