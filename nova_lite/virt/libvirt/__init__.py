"""The libvirt driver: QEMU/KVM guests. One file a thing; the only folder that imports libvirt.

``driver.py`` is the contract's face; ``connection.py`` and ``events.py`` talk to libvirtd; ``domain.py`` (with ``xml/``) says what a
guest is, ``lifecycle.py`` starts and ends it; ``images.py``, ``disks.py``, ``config_drive.py``, ``qemu_img.py`` make its disks;
``console.py`` reads its console; ``host.py`` says what this machine can do; ``settings.py`` is what the operator may choose.
"""
