"""Parts of the guest image builder (tools/build_guest_image.py); the guest's own files are in initramfs/ and rootfs/.

packages  fetches and unpacks distribution packages without installing them
kernel    picks the kernel's modules and writes the indexes that modprobe reads
media     ramdisk, root file system, partition table and boot loader, all written as plain files
"""
