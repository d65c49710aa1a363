"""JSON patches, virtual sizes and signatures: the pure parts of the image room."""
import struct

import pytest

from nova_lite import exception
from nova_lite.image import patch, signature
from nova_lite.image.virtual_size import virtual_size


def apply(*raw, properties=None, status="queued", form=patch.V21):
    return patch.apply(patch.parse(list(raw), form), properties or {}, status)


def test_attributes_tags_and_properties_part():
    outcome = apply({"op": "replace", "path": "/name", "value": "new"}, {"op": "add", "path": "/tags", "value": ["b", "a", "b"]},
                    {"op": "add", "path": "/kernel_id", "value": "k"}, {"op": "remove", "path": "/old"}, properties={"old": "x"})
    assert outcome == patch.Outcome({"name": "new"}, {"kernel_id": "k", "old": None}, ["a", "b"])


def test_operations_see_those_before_them():
    assert apply({"op": "add", "path": "/a", "value": "1"}, {"op": "replace", "path": "/a", "value": "2"}).properties == {"a": "2"}
    with pytest.raises(exception.Conflict):
        apply({"op": "remove", "path": "/a"}, {"op": "replace", "path": "/a", "value": "2"}, properties={"a": "1"})


def test_the_older_form_and_escapes():
    assert apply({"replace": "/name", "value": "x"}, form=patch.V20).columns == {"name": "x"}
    assert apply({"op": "add", "path": "/a~1b~0c", "value": "x"}).properties == {"a/b~c": "x"}


@pytest.mark.parametrize("raw", [
    "x", {}, {"op": "move", "path": "/a"}, {"op": "add", "path": "a", "value": ""}, {"op": "add", "path": "/"},
    {"op": "add", "path": "/a/b", "value": ""}, {"op": "add", "path": "/a"}, {"op": "add", "path": 7, "value": ""},
    {"op": "add", "path": "/a~2", "value": ""}, {"op": "add", "value": ""}])
def test_malformed_operations(raw):
    with pytest.raises(exception.Invalid):
        patch.parse([raw], patch.V21)
    with pytest.raises(exception.Invalid):
        patch.parse({"not": "a list"}, patch.V21)


@pytest.mark.parametrize("name", ["id", "status", "checksum", "size", "created_at", "location", "locations", "os_glance_x", "deleted", "file"])
def test_what_users_may_not_set(name):
    with pytest.raises(exception.Forbidden):
        apply({"op": "replace", "path": f"/{name}", "value": "x"})


@pytest.mark.parametrize(("raw", "status", "error"), [
    ({"op": "replace", "path": "/nothing", "value": "x"}, "queued", exception.Conflict),
    ({"op": "remove", "path": "/nothing"}, "queued", exception.Conflict),
    ({"op": "remove", "path": "/name"}, "queued", exception.Forbidden),
    ({"op": "replace", "path": "/disk_format", "value": "raw"}, "active", exception.Forbidden)])
def test_what_an_image_does_not_allow(raw, status, error):
    with pytest.raises(error):
        apply(raw, status=status)


QCOW2 = b"QFI\xfb" + struct.pack(">IQIIQ", 3, 0, 0, 16, 1 << 30) + b"\0" * 32


@pytest.mark.parametrize(("disk_format", "header", "expected"), [
    ("raw", b"anything", 77), ("ami", b"", 77), ("iso", b"", 77), ("aki", b"", None), ("qcow2", QCOW2, 1 << 30), ("qcow2", QCOW2[:20], None),
    ("qcow2", b"not one" * 9, None), ("vmdk", b"KDMV", None)])
def test_virtual_sizes(disk_format, header, expected):
    assert virtual_size(disk_format, header, 77) == expected


def test_signatures_are_for_one_image_one_secret_and_a_while():
    value = signature.sign("secret", "image", now=1000)
    assert signature.verify("secret", "image", value, now=1030)
    assert not signature.verify("secret", "other", value, now=1030)
    assert not signature.verify("Secret", "image", value, now=1030)
    assert not signature.verify("", "image", signature.sign("", "image", now=1000), now=1030)
    assert not signature.verify("secret", "image", value, now=1000 + signature.LIFETIME + signature.SKEW + 1)
    later = str(int(value.split(".")[0]) + 60) + "." + value.split(".")[1]
    assert not signature.verify("secret", "image", later, now=1030)
    far = signature.sign("secret", "image", now=100000)
    assert not signature.verify("secret", "image", far, now=1030)
    for garbage in ("", ".", "x.y", "9" * 30 + ".a", "\u0661.a", "1000.\u00e9"):
        assert not signature.verify("secret", "image", garbage, now=1000)
