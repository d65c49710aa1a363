"""kill -9 at named points: after the restart each accepted request ends, and nothing is left over."""
import pytest

import daemons
from tests.functional.cloud import Cloud


@pytest.mark.parametrize("point", ["scheduler.claim", "build.addresses", "build.disks", "build.guest"])
def test_a_build_goes_on_after_the_process_died(point):
    with Cloud() as cloud:
        empty = cloud.usage()
        cloud.daemon.stop()
        cloud.daemon.start(hooks=f"{point}=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id = cloud.create(name="survivor")
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server = cloud.wait(server_id)
        assert len(server["addresses"]["private"]) == 1
        cloud.delete(server_id)
        assert cloud.usage() == empty


def test_a_delete_goes_on_after_the_process_died():
    with Cloud() as cloud:
        empty = cloud.usage()
        cloud.daemon.stop()
        cloud.daemon.start(hooks="delete.guest=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id = cloud.boot(name="doomed")
        assert cloud.admin.delete(f"/servers/{server_id}").status == 204
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")
        daemons.wait_until("the server is gone", lambda: cloud.admin.get(f"/servers/{server_id}").status == 404, 20)
        assert cloud.usage() == empty


@pytest.mark.parametrize("point", ["rebuild.staged", "rebuild.swapped", "rebuild.guest", "rescue.disks"])
def test_a_rebuild_or_rescue_goes_on_after_the_process_died(point):
    with Cloud() as cloud:
        cloud.daemon.stop()
        cloud.daemon.start(hooks=f"{point}=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id, image = cloud.boot(name="survivor"), cloud.add_image(b"other" * 500)
        rescues = point.startswith("rescue")
        assert cloud.act(server_id, *(("rescue", None) if rescues else ("rebuild", {"imageRef": image}))).status in (200, 202)
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server = cloud.wait(server_id, "RESCUE" if rescues else "ACTIVE")
        assert server["image"]["id"] == (cloud.image if rescues else image)
        cloud.delete(server_id)


def test_a_snapshot_goes_on_after_the_process_died():
    with Cloud({"compute": {"fake_keep": True}}) as cloud:
        cloud.daemon.stop()
        cloud.daemon.start(hooks="snapshot.begun=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id = cloud.boot(name="survivor")
        image_id = cloud.act(server_id, "createImage", {"name": "picture"}).json["image_id"]
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")
        cloud.wait(server_id)
        assert cloud.daemon.client("image/v2").get(f"/images/{image_id}").json["status"] == "active"
