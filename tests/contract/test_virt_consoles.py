"""Consoles of guests, on all drivers: screens and serial lines as streams of bytes."""
import dataclasses
import struct

import pytest

from nova_lite import concurrency, exception
from nova_lite.virt.libvirt.driver import LibvirtDriver
from tests.contract.virt_sites import CONSOLE_BYTES, LibvirtSite

CONTAINERS_TOO = pytest.mark.parametrize("machine", ["fake", "libvirt", "lxc"], indirect=True, scope="module")
MISSING = "00000000-0000-0000-0000-00000000dead"


def read_until(stream, enough, seconds=30) -> bytes:
    """What a stream gives until ``enough(it)``."""
    data = b""
    with concurrency.timeout(seconds):
        while not enough(data):
            chunk = stream.recv(4096)
            assert chunk, data
            data += chunk
    return data


@CONTAINERS_TOO
def test_the_screen_of_a_running_guest(site):
    guest = site.run(site.guest())
    if "vnc" not in site.consoles:
        with pytest.raises(exception.ConsoleTypeUnavailable):
            site.driver.console(guest.server_id, "vnc")
        return
    found = site.driver.console(guest.server_id, "vnc")
    first, second = found.connect(), found.connect()
    for stream in (first, second):
        assert read_until(stream, lambda data: len(data) >= 12) == b"RFB 003.008\n"
        stream.sendall(b"RFB 003.008\n")
        offered = read_until(stream, lambda data: len(data) > 1)
        assert 1 in offered[1:1 + offered[0]]
        stream.sendall(b"\1")
        assert read_until(stream, lambda data: len(data) >= 4) == bytes(4)
        stream.sendall(b"\1")
        width, height = struct.unpack(">HH", read_until(stream, lambda data: len(data) > 24)[:4])
        assert width > 16 and height > 16
    first.close()
    site.driver.stop_guest(guest.server_id, 0)
    with concurrency.timeout(30):
        while second.recv(4096):
            pass
    second.close()
    site.driver.start_guest(guest)
    assert site.driver.console(guest.server_id, "vnc").run != found.run


@CONTAINERS_TOO
def test_a_serial_line_both_ways(site):
    guest = site.run(site.guest(site.system_image()))
    site.wait_for(lambda: b"login:" in site.driver.console_output(guest.server_id, CONSOLE_BYTES), "the guest asks who logs in")
    stream = site.driver.console(guest.server_id, "serial").connect()
    stream.sendall(b"\n")
    read_until(stream, lambda data: b"login:" in data)
    stream.sendall(b"root\n")
    # A shell's prompt; the fake says everything again in capitals.
    read_until(stream, lambda data: b"# " in data or b"ROOT" in data)
    stream.sendall(b"echo $((1200+34))con\n")
    read_until(stream, lambda data: b"1234con" in data or b"34))CON" in data)
    stream.close()


@CONTAINERS_TOO
def test_consoles_that_are_not_there(site):
    guest = site.guest()
    with pytest.raises(exception.GuestNotFound):
        site.driver.console(MISSING, "vnc")
    site.run(guest)
    with pytest.raises(exception.ConsoleTypeUnavailable):
        site.driver.console(guest.server_id, "spice")
    site.driver.stop_guest(guest.server_id, 0)
    for kind in ("vnc", "serial"):
        with pytest.raises(exception.GuestNotFound):
            site.driver.console(guest.server_id, kind)


def test_spice_beside_vnc(libvirt_uri):
    from tests.live.guest_image import ensure_guest_image
    site = LibvirtSite(libvirt_uri, ensure_guest_image())
    site.driver.stop_host()
    site.driver = LibvirtDriver(dataclasses.replace(site.settings, spice=True))
    site.driver.start_host(site.events.append)
    try:
        guest = site.run(site.guest())
        stream = site.driver.console(guest.server_id, "spice").connect()
        # SpiceLinkMess and the capabilities AuthSelection, AuthSpice, MiniHeader: the main channel of a new session.
        stream.sendall(struct.pack("<4sIIIIBBIIIII", b"REDQ", 2, 2, 26, 0, 1, 0, 1, 1, 18, 11, 9))
        assert struct.unpack("<4sII", read_until(stream, lambda data: len(data) >= 12)[:12]) == (b"REDQ", 2, 2)
        stream.close()
        assert read_until(site.driver.console(guest.server_id, "vnc").connect(), lambda data: len(data) >= 12) == b"RFB 003.008\n"
    finally:
        site.close()
