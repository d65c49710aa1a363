"""What a request for servers refers to, read in one statement on each database, as the caller sees it."""
import pytest

from nova_lite import clock
from nova_lite.context import RequestContext
from nova_lite.db import boot_references, keypairs, networks
from nova_lite.db.models.compute import Flavor, FlavorAccess, KeyPair
from nova_lite.db.models.image import Image, ImageMember, ImageProperty

MINE, OTHERS = RequestContext(user_id="u", project_id="p"), RequestContext(user_id="x", project_id="q")
ADMIN = RequestContext(user_id="a", project_id="admin", roles=("admin",), is_admin=True)


@pytest.fixture
def networks_made(db):
    with db.write() as tx:
        for name, public in (("small", True), ("ours", False)):
            tx.add(Flavor(flavorid=name, name=name, memory_mb=64, vcpus=1, root_gb=1, is_public=public))
        tx.flush()
        tx.add(FlavorAccess(flavor_id=tx.query(Flavor).filter_by(name="ours").one().id, project_id="p"))
        for name, owner, deleted_at in (("mine", "p", None), ("shared", "q", None), ("hidden", "q", None), ("gone", "p", clock.now())):
            tx.add(Image(id=name, owner=owner, status="active", visibility="shared", updated_at=clock.now(), deleted_at=deleted_at))
        tx.flush()
        tx.add(ImageMember(image_id="shared", member="p"))
        for name, value in (("os_type", "lïnux"), ("hw_disk_bus", "a \"quoted\" \\ one\n"), ("empty", "")):
            tx.add(ImageProperty(image_id="mine", name=name, value=value))
        keypairs.add(tx, KeyPair(user_id="u", name="key", fingerprint="f", public_key="ssh-rsa A"))
        ids = [networks.create_network(tx, {"project_id": owner, "name": owner, "mtu": 1450}).id for owner in ("p", "q")]
        for cidr in ("10.0.0.0/24", "10.0.1.0/24"):
            networks.create_subnet(tx, {"network_id": ids[0], "project_id": "p", "cidr": cidr})
    return ids


def test_everything_in_one_statement(db, networks_made):
    mine, others = networks_made
    with db.read() as tx:
        tx.connection()
        before = db.statements
        found = boot_references.read(tx, MINE, "ours", "mine", "key", networks_made)
        assert db.statements - before == 1
        assert (found.flavor.name, found.image.image.id, found.public_key) == ("ours", "mine", "ssh-rsa A")
        assert found.image.properties == {"os_type": "lïnux", "hw_disk_bus": "a \"quoted\" \\ one\n", "empty": ""}
        assert set(found.networks) == {mine} and [subnet.cidr for subnet in found.networks[mine][1:]] == ["10.0.0.0/24", "10.0.1.0/24"]
        everything = boot_references.read(tx, ADMIN, "ours", "hidden", None, networks_made)
        assert set(everything.networks) == {mine, others} and len(everything.networks[others]) == 1 and everything.public_key is None
        assert (everything.image.image.id, everything.image.properties) == ("hidden", {})


def test_what_is_not_there_or_not_the_callers(db, networks_made):
    with db.read() as tx:
        for flavor in ("none", "ours"):
            assert boot_references.read(tx, OTHERS, flavor, "mine", "key", networks_made) == boot_references.References(None, None, None, {})
        for image, there in (("shared", True), ("hidden", False), ("gone", False), ("none", False), (None, False)):
            found = boot_references.read(tx, MINE, "small", image, "other", [])
            assert (found.image is not None, found.public_key, found.networks) == (there, None, {})
