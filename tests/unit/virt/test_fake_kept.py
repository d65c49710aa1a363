"""Fake machines in a file: guests, their disks and states are there for the next process, and for one that only looks."""
import pickle

from nova_lite.virt import types
from nova_lite.virt.fake import FakeDriver
from nova_lite.virt.fake_kept import Kept, KeptMachines
from nova_lite.virt.types import PowerState


def guest(number):
    return types.Guest(f"s{number}", "n", "p", "u", "f", 1, 64, (types.Disk("root", "vda", "virtio", 1),), ())


def start(path) -> Kept:
    machines = KeptMachines(str(path))
    driver = Kept(FakeDriver("h1", hypervisor=machines.get("h1"), machines=machines), machines)
    driver.start_host(lambda event: None)
    return driver


def test_guests_are_there_for_the_next_process(tmp_path):
    path = tmp_path / "machines"
    driver = start(path)
    for number in (1, 2, 3):
        driver.create_disks(guest(number), None)
        driver.start_guest(guest(number))
    visitor = driver.console("s1", "serial").connect()
    driver.pause_guest("s2")
    driver.destroy_guest("s3")
    visitor.close()
    again = start(path)
    assert again.guests() == {"s1": PowerState.RUNNING, "s2": PowerState.PAUSED} and again.guest_files() == {"s1", "s2", "s3"}
    assert b"login:" in again.console_output("s1", 1000)
    driver.stop_host()
    again.stop_host()


def test_what_only_looks_writes_nothing(tmp_path):
    path = tmp_path / "machines"
    driver = start(path)
    driver.create_disks(guest(1), None)
    before = path.read_bytes()
    start(path).guests()
    FakeDriver("h1", hypervisor=KeptMachines(str(path))["h1"]).delete_disks("s1")
    driver.guests()
    assert pickle.loads(path.read_bytes()).keys() == pickle.loads(before).keys()
    assert start(path).guest_files() == {"s1"}
    driver.stop_host()
