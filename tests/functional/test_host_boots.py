"""Guests that are off when a worker starts: those of a host that was booted start again where the option says so, others were switched off."""
import pathlib
import pickle

from nova_lite.virt.types import PowerState
from tests.functional.cloud import Cloud


def restarted(cloud, between):
    cloud.daemon.stop()
    between()
    cloud.daemon.start()
    cloud.admin = cloud.daemon.client(microversion="2.90")


def test_what_was_switched_off_while_the_worker_was_away_stays_off():
    with Cloud({"compute": {"resume_guests_state_on_host_boot": True, "fake_keep": True}}) as cloud:
        switched_off, running = cloud.boot(), cloud.boot()
        (kept,) = pathlib.Path(cloud.daemon.folder).rglob("fake-machines")

        def switch_off():
            machines = pickle.loads(kept.read_bytes())
            (machine,) = machines.values()
            machine["guests"][switched_off].state = PowerState.SHUTDOWN
            kept.write_bytes(pickle.dumps(machines))
        restarted(cloud, switch_off)
        cloud.wait(switched_off, "SHUTOFF")
        assert cloud.wait(running)["OS-EXT-STS:power_state"] == 1
        actions = cloud.admin.get(f"/servers/{switched_off}/os-instance-actions").json["instanceActions"]
        assert [each["action"] for each in actions] == ["create"]
        (note,) = pathlib.Path(cloud.daemon.folder).rglob("boot.*")

        def boot_the_host():
            note.write_text("another boot")
            machines = pickle.loads(kept.read_bytes())
            for guest in next(iter(machines.values()))["guests"].values():
                guest.state = PowerState.SHUTDOWN
            kept.write_bytes(pickle.dumps(machines))
        restarted(cloud, boot_the_host)
        assert cloud.wait(running)["OS-EXT-STS:power_state"] == 1
        assert cloud.wait(switched_off, "SHUTOFF")["OS-EXT-STS:power_state"] == 4
