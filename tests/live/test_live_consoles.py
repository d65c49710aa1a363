"""Consoles of real guests: their screen by websocket and in a browser, their serial line, on an all-in-one with libvirt and noVNC's own pages."""
import collections
import os
import pathlib
import subprocess
import tempfile
import urllib.request
from urllib import parse

import pytest

import daemons
from daemons import wait_until
from tests.functional.cloud import FAST
from tests.functional.console_client import Refused, WebSocket, screen
from tests.live import browser

NOVNC = pathlib.Path("/usr/share/novnc")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="libvirt needs root")


@pytest.fixture(scope="module")
def cloud():
    from tests.live.guest_image import ensure_guest_image
    from tests.services.libvirtd import PrivateLibvirtd
    reason = PrivateLibvirtd.missing()
    if reason:
        pytest.skip(reason)
    folder = tempfile.mkdtemp(prefix="nl-consoles-", dir="/var/tmp")
    os.chmod(folder, 0o711)
    with PrivateLibvirtd() as libvirtd:
        made = daemons.AllInOne({**FAST, "compute": {**FAST["compute"], "driver": "libvirt"},
                                 "libvirt": {"connection_uri": libvirtd.uri}, "spice": {"enabled": True}}, folder)
        try:
            made.start()
            yield furnish(made, ensure_guest_image())
        except BaseException:
            print(made.log()[-5000:])
            raise
        finally:
            remove(made)
            made.stop()
            subprocess.run(["rm", "-rf", folder], check=True)


def furnish(made, files: dict):
    """An image, which boots fast, and a flavor; ``made.boot(name)`` then makes a server of them."""
    images, compute = made.client("image/v2"), made.client(microversion="2.90")

    def add(role: str, form: str, **properties) -> str:
        image = images.post("/images", {"name": role, "disk_format": form, "container_format": form, **properties}).json["id"]
        answer = images.put(f"/images/{image}/file", files[role].read_bytes(), headers={"Content-Type": "application/octet-stream"})
        assert answer.status == 204, answer
        return image
    image = add("root", "ami", kernel_id=add("kernel", "aki"), ramdisk_id=add("ramdisk", "ari"), os_command_line=files["command_line"],
                hw_qemu_guest_agent="yes")
    flavor = compute.post("/flavors", {"flavor": {"name": "tiny", "ram": 128, "vcpus": 1, "disk": 1}}).json["flavor"]["id"]
    made.compute = compute

    def boot(name: str) -> str:
        answer = compute.post("/servers", {"server": {"name": name, "imageRef": image, "flavorRef": flavor, "networks": "none"}})
        assert answer.status == 202, answer
        server = answer.json["server"]["id"]
        settle(made, server, "ACTIVE")
        wait_until("the guest asks who logs in", lambda: "login:" in log(made, server), 300)
        return server
    made.boot = boot
    return made


def remove(made) -> None:
    servers = made.compute.get("/servers").json["servers"]
    for server in servers:
        made.compute.delete(f"/servers/{server['id']}")
    wait_until("all servers are gone", lambda: not made.compute.get("/servers").json["servers"], 60)


def settle(made, server: str, status: str) -> None:
    def shown():
        found = made.compute.get(f"/servers/{server}").json["server"]
        assert found["status"] != "ERROR", found
        return found["status"] == status and found["OS-EXT-STS:task_state"] is None
    wait_until(f"the server is {status}", shown, 120)


def log(made, server: str) -> str:
    return made.compute.post(f"/servers/{server}/action", {"os-getConsoleOutput": {}}).json["output"]


def url(made, server: str, protocol: str, kind: str) -> str:
    answer = made.compute.post(f"/servers/{server}/remote-consoles", {"remote_console": {"protocol": protocol, "type": kind}})
    assert answer.status == 200, answer
    return answer.json["remote_console"]["url"]


@pytest.fixture(scope="module")
def server(cloud):
    return cloud.boot("shown")


def colours(pixels: bytes) -> collections.Counter:
    return collections.Counter(pixels[at:at + 4] for at in range(0, len(pixels), 4))


def lit(pixels: bytes) -> int:
    """How many pixels differ from the most frequent colour."""
    found = colours(pixels)
    return found.total() - found.most_common(1)[0][1]


def log_in(line: WebSocket) -> None:
    line.send(b"\n")
    seen = line.read_until(lambda data: b"login:" in data or b"# " in data)
    if b"# " not in seen:
        line.send(b"root\n")
        line.read_until(lambda data: b"# " in data)


def test_a_command_on_the_serial_line(cloud, server):
    with WebSocket(url(cloud, server, "serial", "serial")) as line:
        log_in(line)
        line.send(b"echo $((1200+34))done\n")
        line.read_until(lambda data: b"1234done" in data)
    # Whoever reads the log sees what was said on the line.
    assert "1234done" in log(cloud, server)


def log_in_with(line: WebSocket, password: str) -> bytes:
    """What the guest says to root and the password: a prompt, or that they are not known."""
    line.send(b"\n")
    line.read_until(lambda data: b"login:" in data)
    line.send(b"root\n")
    line.read_until(lambda data: b"Password:" in data)
    line.send(password.encode() + b"\n")
    return line.read_until(lambda data: b"# " in data or b"incorrect" in data)


def test_the_agent_in_the_guest_sets_its_password_and_holds_its_files_still(cloud):
    guest = cloud.boot("with an agent")
    answer = cloud.compute.post(f"/servers/{guest}/action", {"changePassword": {"adminPass": "a new word"}})
    assert answer.status == 202, answer
    settle(cloud, guest, "ACTIVE")
    with WebSocket(url(cloud, guest, "serial", "serial")) as line:
        assert b"incorrect" in log_in_with(line, "an old word")
        assert b"# " in log_in_with(line, "a new word")
    answer = cloud.compute.post(f"/servers/{guest}/action", {"createImage": {"name": "taken while it ran"}})
    assert answer.status == 202, answer
    settle(cloud, guest, "ACTIVE")
    wait_until("the files move again", lambda: "nova-lite-guest: file systems thaw" in log(cloud, guest), 60)
    assert log(cloud, guest).count("nova-lite-guest: file systems freeze") == 1


def test_the_screen_shows_what_the_guest_writes(cloud, server):
    address = url(cloud, server, "vnc", "novnc")
    width, height, before = screen(address)
    assert width >= 640 and height >= 400 and lit(before) > 100, (width, height, lit(before))
    with WebSocket(url(cloud, server, "serial", "serial")) as line:
        log_in(line)
        line.send(b"i=0; while [ $i -lt 40 ]; do echo '################################' >/dev/tty1; i=$((i+1)); done; echo all$((5+5))\n")
        line.read_until(lambda data: b"all10" in data)

    wait_until("the screen is full of signs", lambda: lit(screen(address)[2]) > max(20_000, lit(before)), 60)


@pytest.mark.skipif(not NOVNC.is_dir(), reason="not installed: novnc")
def test_the_page_is_novncs(cloud, server):
    address = url(cloud, server, "vnc", "novnc")
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert b"noVNC" in answer.read()


def test_spice_beside_it(cloud, server):
    address = url(cloud, server, "spice", "spice-html5")
    assert parse.urlsplit(address).path == "/spice/spice_auto.html"
    with WebSocket(address) as viewer:
        viewer.send(b"REDQ" + bytes((2, 0, 0, 0, 2, 0, 0, 0, 26, 0, 0, 0)) + bytes(4) + b"\1\0"
                    + bytes((1, 0, 0, 0, 1, 0, 0, 0, 18, 0, 0, 0, 11, 0, 0, 0, 9, 0, 0, 0)))
        assert viewer.read(4) == b"REDQ"


def test_a_token_outlives_the_daemon_and_not_the_guests_run(cloud, server):
    address = url(cloud, server, "vnc", "novnc")
    cloud.stop()
    cloud.start()
    # The port was a free one, and is another now; the token says nothing of it.
    fresh = parse.urlsplit(url(cloud, server, "vnc", "novnc"))
    moved = parse.urlunsplit((fresh.scheme, fresh.netloc, *parse.urlsplit(address)[2:]))
    assert len(colours(screen(moved)[2])) > 1
    with WebSocket(moved) as viewer:
        viewer.read(12)
        booted = log(cloud, server).count("login:")
        assert cloud.compute.post(f"/servers/{server}/action", {"reboot": {"type": "HARD"}}).status == 202
        viewer.wait_for_end()
    settle(cloud, server, "ACTIVE")
    with pytest.raises(Refused, match="403"):
        WebSocket(moved)
    wait_until("the guest asks who logs in", lambda: log(cloud, server).count("login:") > booted, 300)


@pytest.mark.skipif(not NOVNC.is_dir(), reason="not installed: novnc")
def test_a_browser_shows_the_screen_and_takes_keys(cloud, server, tmp_path):
    reason = browser.missing()
    if reason:
        pytest.skip(reason)
    address = url(cloud, server, "vnc", "novnc")
    with browser.Browser(tmp_path) as page:
        page.open(address)
        page.wait_for("(document.getElementById('status') || {}).textContent?.includes('Connected to')")
        # What is not the background of the canvas that noVNC draws on.
        page.wait_for("""(() => {
            const canvas = document.querySelector('canvas');
            if (!canvas || canvas.width < 640) return false;
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            let lit = 0;
            for (let i = 0; i < data.length; i += 4) lit += data[i] + data[i + 1] + data[i + 2] > 200;
            return lit > 500 && lit < data.length / 4 - 500;
        })()""")
        picture = page.screenshot()
        assert picture.startswith(b"\x89PNG") and len(picture) > 3000
        page.evaluate("document.querySelector('canvas').focus()")

        def is_off():
            # The shell that the first line opens may not be there yet when the second one comes.
            page.type("root\npoweroff\n")
            return cloud.compute.get(f"/servers/{server}").json["server"]["status"] == "SHUTOFF"
        wait_until("the guest did what was typed", is_off, 120, 3)
    with pytest.raises(Refused, match="403"):
        WebSocket(address)
