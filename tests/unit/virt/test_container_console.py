"""The console of a container on a terminal of this machine: kept by a process of its own, read and written by whoever looks."""
import fcntl
import os
import time
import tty

import pytest

from nova_lite import concurrency
from nova_lite.virt.libvirt import layout, lxc_console

SERVER = "0f2c81d0-6a53-4d35-9c0b-3c1c9a5d2b11"


class Container:
    """The other side of a terminal."""

    def __init__(self, run="1"):
        self.run = run
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.place = os.ttyname(slave)
        self._slave = slave

    def keep(self, state_path):
        lxc_console.keep(lambda *_args: (self.run, self.place), state_path, SERVER)

    def end(self):
        os.close(self._slave)
        os.close(self.master)


@pytest.fixture
def files(tmp_path):
    found = layout.ServerFiles(str(tmp_path), SERVER)
    found.folder.mkdir(parents=True)
    yield found
    wait_for(lambda: not is_kept(found))


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not (result := condition()):
        assert time.monotonic() < deadline
        concurrency.sleep(0.02)
    return result


def is_kept(files):
    with open(files.folder / "console.keeper", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def text(path):
    return open(path, "rb").read() if os.path.exists(path) else b""


def test_what_a_container_says_is_kept_once_until_it_ends(files, tmp_path):
    container = Container()
    os.write(container.master, b"before\n")
    for _ in range(3):
        container.keep(str(tmp_path))
    os.write(container.master, b"after\n")
    wait_for(lambda: text(files.console_log) == b"before\nafter\n")
    container.end()
    wait_for(lambda: not is_kept(files))


def test_the_next_run_is_kept_too(files, tmp_path):
    first, second = Container("1"), Container("2")
    first.keep(str(tmp_path))
    os.write(first.master, b"one\n")
    wait_for(lambda: text(files.console_log) == b"one\n")
    concurrency.spawn(second.keep, str(tmp_path))
    os.write(second.master, b"two\n")
    concurrency.sleep(0.1)
    first.end()
    wait_for(lambda: text(files.console_log) == b"one\ntwo\n")
    second.end()


def test_a_log_does_not_grow_for_ever(files, tmp_path, monkeypatch):
    monkeypatch.setattr(lxc_console, "LOG_BYTES", 4096)
    container = Container()
    container.keep(str(tmp_path))
    for number in range(100):
        os.write(container.master, b"%099d\n" % number)
        concurrency.sleep(0.002)
    wait_for(lambda: text(files.console_log).endswith(b"%099d\n" % 99))
    assert os.path.getsize(files.console_log) <= 4096 and os.path.getsize(files.console_log + ".0") == 4096
    container.end()


def test_a_line_both_ways(files, tmp_path):
    container = Container()
    container.keep(str(tmp_path))
    os.write(container.master, b"long ago")
    wait_for(lambda: text(files.console_log) == b"long ago")
    line = lxc_console.Line(container.place, files.console_log)
    line.sendall(b"ls\n")
    assert os.read(container.master, 100) == b"ls\n"
    os.write(container.master, b"a b c")
    assert line.recv(3) == b"a b" and line.recv(3) == b" c"
    os.rename(files.console_log, files.console_log + ".0")
    with open(files.console_log, "wb") as fresh:
        fresh.write(b"new")
    assert line.recv(3) == b"new"
    container.end()
    assert line.recv(3) == b""
    line.close()
