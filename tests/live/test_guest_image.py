"""The guest image under plain QEMU: both forms boot, find their metadata, grow, see hot-plug, shut down."""

import gzip
import json
import re
import select
import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.live.guest_image import BUILDER, cache_folder, ensure_guest_image

NEEDED = ("qemu-system-x86_64", "qemu-img", "genisoimage", "ssh", "ssh-keygen", "mkfs.ext4", "mkswap")
MISSING = [name for name in NEEDED if shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin") is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")

UEFI = "/usr/share/OVMF/OVMF_CODE_4M.fd"
MIB = 1024 * 1024
# An emulated guest on a busy machine: an upper bound for giving up, not an expectation.
PATIENCE = 120
# Answers one HTTP request on its standard input from a folder of files; QEMU starts one for each connection.
METADATA_SERVER = """
import pathlib, sys
words = sys.stdin.buffer.readline().split()
while sys.stdin.buffer.readline().strip():
    pass
path = pathlib.Path(sys.argv[1]) / words[1].decode().strip("/")
path = path / "index" if path.is_dir() else path
body = path.read_bytes() if path.is_file() else b""
status = b"200 OK" if path.is_file() else b"404 Not Found"
sys.stdout.buffer.write(b"HTTP/1.0 %s\\r\\nContent-Length: %d\\r\\n\\r\\n" % (status, len(body)) + body)
"""


class Guest:
    """One QEMU process with its console log, serial input and control socket."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        self.log = folder / "console.log"
        chardev = f"socket,id=serial,path={folder}/serial,server=on,wait=off,logfile={self.log}"
        command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-display", "none", "-nodefaults"]
        command += ["-chardev", chardev, "-serial", "chardev:serial"]
        command += ["-qmp", f"unix:{folder}/qmp,server=on,wait=off", *map(str, arguments)]
        self.started = time.monotonic()
        self.errors = (folder / "qemu.log").open("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors
        )
        self.control = None
        self.serial = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for connection in (self.control, self.serial):
            if connection:
                connection.close()
        self.errors.close()

    def console(self):
        return self.log.read_text(errors="replace").replace("\r", "") if self.log.exists() else ""

    def wait_for(self, pattern, times=1):
        """Waits until lines that match the pattern stand on the console this many times; returns the last match."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.drain()
            found = list(re.finditer(pattern, self.console(), re.MULTILINE))
            if len(found) >= times:
                return found[-1]
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.errors.seek(0)
                pytest.fail(
                    f"{pattern!r} not {times} times on the console:\n{self.console()[-4000:]}\n{self.errors.read()}"
                )
            time.sleep(0.05)

    def type(self, text):
        """Types on the serial console."""
        if self.serial is None:
            self.serial = self.connect("serial")
        self.serial.sendall(text.encode())

    def drain(self):
        """Throws away what the serial socket holds, as the log has it too: a full socket would stop the guest."""
        while self.serial and select.select([self.serial], [], [], 0)[0]:
            if not self.serial.recv(65536):
                return

    def say(self, pattern, times=1):
        return self.wait_for(f"^nova-lite-guest: {pattern}$", times)

    def ready(self, times=1):
        """Waits for the end of a boot and prints how long it took."""
        self.say("ready", times)
        print(
            f"{self.folder.name}: boot {times} ready {time.monotonic() - self.started:.1f} s after the start"
        )

    def connect(self, name):
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.folder / name))
                return connection
            except OSError:
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def qmp(self, command, **arguments):
        """Runs one QMP command; returns its result."""
        if self.control is None:
            self.control = self.connect("qmp").makefile("rw")
            self.control.readline()
            self.qmp("qmp_capabilities")
        self.control.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.control.flush()
        while True:
            answer = json.loads(self.control.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def power_button_ends_it(self):
        self.qmp("system_powerdown")
        self.say("power button")
        assert self.process.wait(PATIENCE) == 0
        self.say("shutdown")


@pytest.fixture(scope="module")
def image():
    return ensure_guest_image()


def overlay(image, folder, size="1G"):
    path = folder / "overlay.qcow2"
    command = [
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        "qcow2",
        "-b",
        str(image["disk"]),
        str(path),
        size,
    ]
    subprocess.run(command, check=True)
    return path


def config_drive(folder, metadata, user_data=None, files=()):
    """An ISO image labelled config-2; files: (path in the guest, content)."""
    root = folder / "drive" / "openstack"
    (root / "latest").mkdir(parents=True)
    (root / "content").mkdir()
    listed = []
    for number, (path, content) in enumerate(files):
        (root / "content" / f"{number:04}").write_text(content)
        listed.append({"path": path, "content_path": f"/content/{number:04}"})
    (root / "latest" / "meta_data.json").write_text(json.dumps({**metadata, "files": listed}))
    if user_data is not None:
        (root / "latest" / "user_data").write_bytes(user_data)
    target = folder / "config.iso"
    command = [
        "genisoimage",
        "-quiet",
        "-J",
        "-r",
        "-V",
        "config-2",
        "-o",
        str(target),
        str(folder / "drive"),
    ]
    subprocess.run(command, check=True)
    return f"file={target},format=raw,if=virtio,readonly=on"


def sized_file(path, size):
    with path.open("wb") as file:
        file.truncate(size)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def root_megabytes(guest):
    return int(guest.say(r"root /dev/\S+ (\d+) MiB").group(1))


def test_files_are_small_and_a_second_build_does_nothing(image):
    for role in ("kernel", "ramdisk", "root", "disk"):
        assert 0 < image[role].stat().st_size < 60 * 1000 * 1000
        assert image["description"]["files"][role]["size"] == image[role].stat().st_size
    before = image["disk"].stat().st_mtime_ns
    command = [sys.executable, str(BUILDER), "--output", str(cache_folder())]
    assert "up to date" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert image["disk"].stat().st_mtime_ns == before


def test_triple_reads_the_metadata_service_and_falls_back_to_ec2(image, tmp_path):
    root = shutil.copyfile(image["root"], tmp_path / "root.img")
    with root.open("r+b") as disk:
        disk.truncate(300 * MIB)
    tree = tmp_path / "tree"
    latest = tree / "openstack" / "latest"
    latest.mkdir(parents=True)
    (tmp_path / "server.py").write_text(METADATA_SERVER)
    script = '#!/bin/bash\necho "script says: $(hostname)"\ncat /root/.ssh/authorized_keys\nexit 3\n'
    metadata = {"uuid": "5a1e", "hostname": "Web-1.novalocal", "public_keys": {"a": 'ssh-rsa AAA= "x"\n'}}
    (latest / "meta_data.json").write_text(json.dumps(metadata))
    (latest / "user_data").write_text(script)
    forward = f"guestfwd=tcp:169.254.169.254:80-cmd:{sys.executable} {tmp_path}/server.py {tree}"
    network = (
        f"user,model=virtio-net-pci,net=169.254.169.0/24,dhcpstart=169.254.169.10,restrict=on,{forward}"
    )
    arguments = [
        "-M",
        "pc",
        "-kernel",
        image["kernel"],
        "-initrd",
        image["ramdisk"],
        "-append",
        image["command_line"],
    ]
    with Guest(
        tmp_path, *arguments, "-drive", f"file={root},format=raw,if=virtio", "-nic", network
    ) as guest:
        guest.ready()
        guest.say("boot 1")
        guest.say(r"lease eth0 169\.254\.169\.10/24")
        guest.say("metadata source=metadata instance-id=5a1e hostname=Web-1")
        guest.wait_for("^script says: Web-1$")
        guest.wait_for('^ssh-rsa AAA= "x" *$')
        guest.say("user-data exit=3")
        assert root_megabytes(guest) == 300

        shutil.rmtree(tree / "openstack")
        keys = tree / "latest" / "meta-data" / "public-keys"
        (keys / "0").mkdir(parents=True)
        (keys / "index").write_text("0=a")
        (keys / "0" / "openssh-key").write_text("ssh-rsa BBB=")
        (tree / "latest" / "meta-data" / "instance-id").write_text("i-0001")
        (tree / "latest" / "meta-data" / "hostname").write_text("ec2-name")
        (tree / "latest" / "user-data").write_text("#cloud-config\npackages: [none]\ncounter=1\n")
        guest.wait_for("Web-1 login: ")
        guest.type("root\n")
        guest.wait_for("root@Web-1:")
        guest.type("reboot\n")
        guest.ready(times=2)
        guest.say("boot 2")
        guest.say("metadata source=metadata instance-id=i-0001 hostname=ec2-name")
        guest.say("user-data stored bytes=41")
        guest.say("counter 3")
        assert guest.console().count("user-data exit=") == 1
        guest.power_button_ends_it()


def test_disk_on_q35_with_config_drive_ssh_and_hot_plug(image, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    metadata = {
        "uuid": "77-aa", "hostname": "db", "admin_pass": "s3cret", "meta": {"counter": "1"},
        "public_keys": {"mine": key.with_suffix(".pub").read_text()},
    }  # fmt: skip
    script = gzip.compress(b"#!/bin/sh\necho unpacked; cat /etc/site/motd\n")
    drive = config_drive(tmp_path, metadata, script, [("/etc/site/motd", "from the content folder\n")])
    ephemeral = sized_file(tmp_path / "ephemeral", 32 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "ephemeral0", str(ephemeral)], check=True)
    swap = sized_file(tmp_path / "swap", 32 * MIB)
    subprocess.run(["mkswap", str(swap)], check=True, capture_output=True)
    spare = sized_file(tmp_path / "spare", 8 * MIB)
    port = free_port()
    arguments = ["-M", "q35", "-drive", f"file={overlay(image, tmp_path)},if=virtio"]
    for path in (ephemeral, swap):
        arguments += ["-drive", f"file={path},format=raw,if=virtio"]
    arguments += ["-drive", drive, "-device", "virtio-rng-pci"]
    arguments += ["-nic", f"user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"]
    for number in (1, 2):
        arguments += ["-device", f"pcie-root-port,id=port{number},chassis={number},slot={number}"]
    with Guest(tmp_path, *arguments) as guest:
        guest.ready()
        guest.say("metadata source=config-drive instance-id=77-aa hostname=db")
        guest.say("mounted vdb /mnt")
        guest.say("swap vdc")
        guest.wait_for("^from the content folder$")
        guest.say("user-data exit=0")
        assert root_megabytes(guest) == 1021
        hot_plug(guest, spare)
        check_session(guest, port, key)
        unplug(guest)

        guest.qmp("system_reset")
        guest.ready(times=2)
        guest.say("boot 2")
        assert guest.console().count("user-data exit=") == 1
        guest.say("counter 2")
        guest.power_button_ends_it()


def hot_plug(guest, spare):
    """Adds a disk and a NIC, and waits until the guest has said so and has a lease on the new NIC."""
    guest.qmp("blockdev-add", driver="file", filename=str(spare), **{"node-name": "spare"})
    guest.qmp("device_add", driver="virtio-blk-pci", drive="spare", id="disk1", bus="port1")
    guest.say("disk vde attached")
    guest.qmp("netdev_add", type="user", id="net1", net="10.9.0.0/24", restrict=True)
    guest.qmp("device_add", driver="virtio-net-pci", netdev="net1", id="nic1", bus="port2")
    guest.say("nic eth1 attached")
    guest.say(r"lease eth1 10\.9\.0\.15/24")


def unplug(guest):
    """Takes the disk and the NIC away again."""
    guest.qmp("device_del", id="disk1")
    guest.say("disk vde detached")
    guest.qmp("device_del", id="nic1")
    guest.say("nic eth1 detached")


def check_session(guest, port, key):
    """Logs in as cirros with the key, does what test suites do there, and tries the ways in that must stay shut."""
    options = f"-F none -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes"
    options = [*options.split(), "-o", f"ConnectTimeout={PATIENCE}", "cirros@127.0.0.1"]

    def run(command):
        done = subprocess.run(["ssh", "-i", str(key), *options, command], capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    assert run("id -un; sudo -n id -un; sudo sh -c 'echo \"two words\"'").split("\n")[:3] == [
        "cirros",
        "root",
        "two words",
    ]
    assert re.search(r"^vde +\S+ +0 +8388608 +0 disk *$", run("lsblk -lb --nodeps"), re.MULTILINE)
    written = run(
        "sudo mkfs.ext4 -q -F /dev/vde && sudo mkdir /data && sudo mount /dev/vde /data && df /data; sudo umount /data"
    )
    assert "/dev/vde" in written and "/data" in written
    assert "hash $6$" in run("sudo sed -n 's/^cirros:\\(...\\).*/hash \\1/p' /etc/shadow")
    lease = "interface=eth1 ip=10.9.0.15 mask=24 mtu=1400 router=10.9.0.77"
    routes = "staticroutes='198.51.100.0/24 10.9.0.3 0.0.0.0/0 10.9.0.2'"
    answer = run(
        f"sudo {lease} {routes} /usr/share/udhcpc/default.script renew; ip route; cat /sys/class/net/eth1/mtu"
    )
    assert "198.51.100.0/24 via 10.9.0.3 dev eth1" in answer
    assert "default via 10.9.0.2 dev eth1" in answer
    assert "10.9.0.77" not in answer
    assert answer.endswith("\n1400\n")
    refused = subprocess.run(
        ["ssh", "-o", "PubkeyAuthentication=no", *options, "id"], capture_output=True, text=True
    )
    assert "Permission denied (publickey,password)" in refused.stderr


def test_disk_without_any_metadata_boots_on_i440fx(image, tmp_path):
    with Guest(
        tmp_path, "-M", "pc", "-drive", f"file={overlay(image, tmp_path, '200M')},if=virtio"
    ) as guest:
        guest.ready()
        guest.say("metadata source=none instance-id= hostname=nova-guest")
        assert root_megabytes(guest) == 197
        guest.power_button_ends_it()


def test_disk_boots_under_uefi(image, tmp_path):
    try:
        open(UEFI).close()
    except OSError:
        pytest.skip(f"needs {UEFI} (package ovmf)")
    firmware = f"if=pflash,format=raw,readonly=on,file={UEFI}"
    disk = f"file={overlay(image, tmp_path)},if=virtio"
    with Guest(tmp_path, "-M", "q35", "-drive", firmware, "-drive", disk) as guest:
        guest.ready()
        guest.power_button_ends_it()
