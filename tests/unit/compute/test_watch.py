"""The comparison of servers with their guests."""
from nova_lite.db import servers as servers_
from nova_lite.virt.types import LifecycleEvent, PowerState
from tests.unit.compute.test_fence import Site


def state_of(site, server_id):
    with site.db.read() as tx:
        server = servers_.find(tx, server_id)
    return server.vm_state, server.power_state


def test_a_look_that_is_older_than_the_row_changes_nothing(tmp_path):
    site = Site(tmp_path)
    server_id = site.server()
    look = site.driver.guests

    def look_before_somebody_pauses_it():
        found = look()
        site.driver.pause_guest(server_id)
        with site.db.write() as tx:
            servers_.update(tx, server_id, vm_state="paused", power_state=int(PowerState.PAUSED))
        return found
    site.driver.guests = look_before_somebody_pauses_it
    site.watcher.sync()
    assert state_of(site, server_id) == ("paused", PowerState.PAUSED)
    site.db.close()


def test_a_task_that_ends_while_an_event_is_looked_into_has_the_last_word(tmp_path):
    site = Site(tmp_path)
    server_id = site.server()
    with site.db.write() as tx:
        servers_.update(tx, server_id, power_state=int(PowerState.NOSTATE))
    look, looks = site.driver.power_state, []

    def look_before_somebody_pauses_it(guest):
        found = look(guest)
        looks.append(found)
        if len(looks) == 1:
            site.driver.pause_guest(server_id)
            with site.db.write() as tx:
                servers_.update(tx, server_id, vm_state="paused", power_state=int(PowerState.PAUSED))
        return found
    site.driver.power_state = look_before_somebody_pauses_it
    site.watcher.on_event(LifecycleEvent(server_id, PowerState.RUNNING))
    assert state_of(site, server_id) == ("paused", PowerState.PAUSED)
    assert looks == [PowerState.RUNNING, PowerState.PAUSED]
    site.db.close()


def test_what_a_guest_did_by_itself_is_seen(tmp_path):
    site = Site(tmp_path)
    server_id = site.server()
    site.driver.hypervisor.power_off(server_id)
    site.watcher.sync()
    assert state_of(site, server_id) == ("stopped", PowerState.SHUTDOWN)
    site.driver.destroy_guest(server_id)
    site.watcher.sync()
    assert state_of(site, server_id) == ("stopped", PowerState.SHUTDOWN)
    site.db.close()
