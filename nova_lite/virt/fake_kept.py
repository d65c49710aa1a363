"""Fake machines that are kept in a file, so that their guests outlive the process as real ones outlive a worker. For tests of workers that die."""
import contextlib
import functools
import os
import pickle

from nova_lite.virt.copies import Copies
from nova_lite.virt.fake import FakeHypervisor
from nova_lite.virt.live import Live
from nova_lite.virt.moves import Moves

_NOT_KEPT = ("on_change",)


class KeptMachines(dict):
    """The machines of one process by host name. ``save`` writes them where something changed, whole or not at all."""

    def __init__(self, path: str):
        super().__init__()
        self._path, self._saved = path, b""
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            self._saved = file.read()
        for host, state in (pickle.loads(self._saved) if self._saved else {}).items():
            self[host] = FakeHypervisor()
            vars(self[host]).update(state)

    def save(self) -> None:
        """Called after whatever may have changed a machine."""
        state = {host: {name: value for name, value in vars(machine).items() if name not in _NOT_KEPT} for host, machine in self.items()}
        text = pickle.dumps(state)
        if text != self._saved:
            with open(f"{self._path}.new", "wb") as file:
                file.write(text)
            os.replace(f"{self._path}.new", self._path)
            self._saved = text


class Kept:
    """A FakeDriver, or how its guests move, after each of whose methods the machines are saved."""

    def __init__(self, target, machines: KeptMachines):
        self._target, self._machines = target, machines

    def __getattr__(self, name: str):
        found = getattr(self._target, name)
        return functools.partial(self._call, found) if callable(found) else found

    def _call(self, method, *args, **kwargs):
        try:
            result = method(*args, **kwargs)
        finally:
            self._machines.save()
        return Kept(result, self._machines) if isinstance(result, Moves | Live | Copies) else result
