"""What a host tells of its load: shares of the time since the last question, as the kernel counts it."""
import pytest

from nova_lite.compute.worker.monitor import TICK_NS, Monitor


def write(path, *ticks):
    path.write_text(f"cpu  {' '.join(str(each) for each in ticks)}\ncpu0 1 2 3 4 5 6 7 0 0 0\n")


def test_shares_are_those_since_the_last_question(tmp_path):
    stat = tmp_path / "stat"
    monitor = Monitor(stat)
    write(stat, 10, 10, 5, 60, 5, 5, 5, 0, 0, 0)
    first = monitor.cpu()
    assert (first["cpu.percent"], first["cpu.user.percent"], first["cpu.idle.percent"]) == (0.35, 0.2, 0.6)
    assert monitor.cpu() == {}
    write(stat, 40, 10, 15, 120, 5, 5, 5, 0, 0, 0)
    second = monitor.cpu()
    assert (second["cpu.percent"], second["cpu.user.percent"], second["cpu.kernel.percent"]) == (0.4, 0.3, 0.1)
    assert (second["cpu.idle.percent"], second["cpu.iowait.percent"], second["cpu.user.time"]) == (0.6, 0.0, 50 * TICK_NS)


def test_this_machine_tells_shares_that_add_up():
    found = Monitor().cpu()
    assert sum(found[f"cpu.{name}.percent"] for name in ("user", "kernel", "idle", "iowait")) == pytest.approx(1.0, abs=0.001)


def test_a_machine_that_tells_nothing_says_so(tmp_path):
    with pytest.raises(OSError):
        Monitor(tmp_path / "absent").cpu()
