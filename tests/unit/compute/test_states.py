"""The two tables of compute.states hold together."""
import pytest

from nova_lite.compute import states
from nova_lite.compute.worker import manager


def test_every_action_leaves_a_known_state():
    known = states.LIVING | {states.DELETED, states.KEEP}
    for name, row in states.ACTIONS.items():
        assert row.name == name
        assert row.success in known and row.failure in known
        assert row.orphan in ("retry", "probe", "fail")
        assert row.allowed <= states.LIVING
        assert row.deadline > 0


def test_every_action_has_somebody_who_carries_it_out():
    assert set(manager.HANDLERS) == set(states.ACTIONS)


@pytest.mark.parametrize(("vm_state", "task_state", "word"), [
    ("active", None, "ACTIVE"), ("active", "rebooting", "REBOOT"), ("active", "rebooting_hard", "HARD_REBOOT"), ("building", "spawning", "BUILD"),
    ("stopped", None, "SHUTOFF"), ("error", None, "ERROR"), ("active", "deleting", "ACTIVE"), ("nonsense", None, "UNKNOWN"),
])
def test_status_word(vm_state, task_state, word):
    assert states.status(vm_state, task_state) == word


def test_every_status_word_leads_back_to_its_states():
    for vm_state in states.LIVING:
        word = states.status(vm_state, None)
        assert (vm_state, None) in states.states_of(word)
    assert ("active", "rebooting") in states.states_of("REBOOT")
    assert states.states_of("NO_SUCH_STATUS") == []
