"""What only the fake can show: its size, its console, and guests that outlive their driver."""
import tracemalloc

from nova_lite import concurrency
from nova_lite.virt import types
from nova_lite.virt.fake import FakeDriver
from nova_lite.virt.types import PowerState


def guest(number):
    return types.Guest(f"s{number}", "n", "p", "u", "f", 1, 64, (types.Disk("root", "vda", "virtio", 1),), ())


def test_thousands_of_guests_fit():
    driver = FakeDriver("h1")
    names = [guest(number) for number in range(3000)]
    tracemalloc.start()
    for one in names:
        driver.create_disks(one, None)
        driver.start_guest(one)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(driver.guests()) == 3000 and used / 3000 < 1000


def test_sizes_are_what_it_was_told():
    inventory = FakeDriver("h1", vcpus=3, memory_mb=100, disk_gb=7).inventory()
    assert (inventory.hypervisor_hostname, inventory.vcpus, inventory.memory_mb, inventory.disk_gb) == ("h1", 3, 100, 7)


def test_guests_outlive_their_driver():
    first = FakeDriver("h1")
    first.create_disks(guest(1), None)
    first.start_guest(guest(1))
    first.stop_host()
    second = FakeDriver("h1", hypervisor=first.hypervisor)
    assert second.guests() == {"s1": PowerState.RUNNING} and second.guest_files() == {"s1"}


def test_a_console_does_not_grow_for_ever():
    driver = FakeDriver("h1")
    driver.create_disks(guest(1), None)
    driver.start_guest(guest(1))
    for _ in range(1000):
        driver.reboot_soft("s1", 1)
    assert len(driver.console_output("s1", 1 << 30)) < 20000


def test_delay_is_waited_beside_others():
    driver = FakeDriver("h1", delay=0.05)
    tasks = [concurrency.spawn(driver.create_disks, guest(number), None) for number in range(50)]
    with concurrency.timeout(2):
        for task in tasks:
            task.wait()
    assert len(driver.guest_files()) == 50


def test_console_tells_of_each_boot():
    driver = FakeDriver("h1")
    driver.create_disks(guest(1), None)
    driver.start_guest(guest(1))
    driver.hypervisor.power_off("s1")
    driver.start_guest(guest(1))
    text = driver.console_output("s1", 1 << 20).decode()
    assert text.count("Linux version") == 2 and text.index("Power down") < text.rindex("login:")
