"""Headers of images: what is refused before any program opens the file."""
import hashlib
import struct

import pytest

from nova_lite import exception
from nova_lite.virt import image_format, types
from nova_lite.virt.image_digest import Digest


def image(disk_format, size=0, **fields):
    return types.ImageSource("i1", disk_format, size, **fields)


def qcow2(version=3, backing=(0, 0), encryption=0, incompatible=0, size=1 << 30):
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", version, *backing, 16, size, encryption).ljust(72, b"\0")
    return (header + struct.pack(">Q", incompatible)).ljust(512, b"\0")


def test_a_plain_qcow2_tells_its_virtual_size():
    assert image_format.inspect(image("qcow2"), qcow2()) == image_format.Format("qcow2", 1 << 30)
    assert image_format.inspect(image("qcow2"), qcow2(version=2)) == image_format.Format("qcow2", 1 << 30)


@pytest.mark.parametrize("header, words", [
    (qcow2(backing=(512, 11)), "backing file"),
    (qcow2(encryption=2), "encrypted"),
    (qcow2(incompatible=1 << 1), "corrupt"),
    (qcow2(incompatible=1 << 2), "another file"),
    (qcow2(incompatible=1 << 40), "not known"),
    (qcow2(version=4), "version 4"),
    (qcow2()[:40], "cut off"),
    (b"KDMV".ljust(512), "vmdk"),
    (b"\0" * 512, "raw"),
    (b"", "raw"),
])
def test_what_a_qcow2_may_not_be(header, words):
    with pytest.raises(exception.ImageUnusable, match=words):
        image_format.inspect(image("qcow2"), header)


@pytest.mark.parametrize("bit", [0, 3, 4])
def test_features_that_stay_inside_the_file_are_fine(bit):
    assert image_format.inspect(image("qcow2"), qcow2(incompatible=1 << bit)).name == "qcow2"


@pytest.mark.parametrize("header", [qcow2(), b"KDMV", b"# Disk DescriptorFile", b"vhdxfile", b"conectix",
                                    b"\0" * 64 + b"\x7f\x10\xda\xbe", b"LUKS\xba\xbe"])
def test_raw_content_may_not_look_like_a_format(header):
    with pytest.raises(exception.ImageUnusable, match="disk_format says raw"):
        image_format.inspect(image("raw"), header)


@pytest.mark.parametrize("disk_format", ["raw", "ami", "aki", "ari"])
def test_bytes_as_they_are(disk_format):
    assert image_format.inspect(image(disk_format), b"\xeb\x63".ljust(512)) == image_format.Format("raw", None)


@pytest.mark.parametrize("disk_format", ["vmdk", "vdi", "vhd", "ploop", ""])
def test_other_formats_are_not_supported(disk_format):
    with pytest.raises(exception.ImageUnusable, match="not supported"):
        image_format.inspect(image(disk_format), b"\0" * 512)


def test_a_disk_must_hold_the_image():
    image_format.check_fits(image("raw"), 1 << 20, 1)
    image_format.check_fits(image("raw"), 1 << 40, 0)
    with pytest.raises(exception.ImageUnusable, match="Flavor's disk is too small for requested image"):
        image_format.check_fits(image("raw"), (1 << 20) + 1, 1)


@pytest.mark.parametrize("fields", [
    {"checksum": hashlib.md5(b"abcd").hexdigest()},
    {"os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(b"abcd").hexdigest().upper()},
    {},
])
def test_right_bytes_pass(fields):
    digest = Digest(image("raw", 4, **fields))
    digest.update(b"ab")
    digest.update(b"cd")
    digest.verify()


@pytest.mark.parametrize("fields, content, words", [
    ({"checksum": hashlib.md5(b"abcd").hexdigest()}, b"abcx", "md5"),
    ({"os_hash_algo": "sha512", "os_hash_value": "0" * 128}, b"abcd", "sha512"),
    ({}, b"abc", "3 of its 4 bytes"),
])
def test_wrong_bytes_do_not(fields, content, words):
    digest = Digest(image("raw", 4, **fields))
    digest.update(content)
    with pytest.raises(exception.ImageUnusable, match=words):
        digest.verify()


def test_too_many_bytes_are_noticed_at_once():
    digest = Digest(image("raw", 4))
    with pytest.raises(exception.ImageUnusable, match="more than the 4 bytes"):
        digest.update(b"abcde")


def test_an_unknown_hash_is_refused():
    with pytest.raises(exception.ImageUnusable, match="not known"):
        Digest(image("raw", 4, os_hash_algo="sha9", os_hash_value="00"))
