"""How image and flavor divide a guest's CPUs and memory among NUMA nodes, by values."""
import pytest

from nova_lite import exception
from nova_lite.compute import numa


def nodes(vcpus=4, memory_mb=512, image=None, **specs):
    flavor = {"vcpus": vcpus, "memory_mb": memory_mb, "extra_specs": {f"hw:{name}": value for name, value in specs.items()}}
    return [(node.cpus, node.memory_mb) for node in numa.nodes(flavor, image or {})]


def named(*pairs):
    return {f"numa_{what}.{number}": value for number, pair in enumerate(pairs) for what, value in zip(("cpus", "mem"), pair, strict=True)}


def test_nobody_asks():
    assert nodes() == []


def test_equal_parts():
    assert nodes(numa_nodes="2") == [((0, 1), 256), ((2, 3), 256)]
    assert nodes(image={"hw_numa_nodes": 4})[3] == ((3,), 128)
    assert nodes(mem_page_size="large") == [((0, 1, 2, 3), 512)]


def test_parts_that_are_named():
    assert nodes(numa_nodes="2", **named(("0-2", "384"), ("3", "128"))) == [((0, 1, 2), 384), ((3,), 128)]


@pytest.mark.parametrize(("asked", "words"), [
    ({"numa_nodes": "3"}, "Asymmetric NUMA topologies require explicit assignment"),
    ({"numa_nodes": "5"}, "has 1 to 4 nodes"), ({"numa_nodes": "0"}, "has 1 to 4 nodes"), ({"numa_nodes": "many"}, "not a number"),
    ({"numa_nodes": "2", "memory_mb": 511}, "Asymmetric"),
    ({"numa_nodes": "2", **named(("0-2", "384"))}, "NUMA node 1 lacks"),
    ({"numa_nodes": "2", **named(("0-2", "384"), ("2-3", "128"))}, "each of the 4 CPUs once"),
    ({"numa_nodes": "2", **named(("0-2", "384"), ("3", "64"))}, "do not add up to the 512 MB"),
    ({"numa_nodes": "2", **named(("0-2", "384"), ("x", "128"))}, "not a list of CPUs"),
])
def test_what_cannot_be_divided(asked, words):
    with pytest.raises(exception.Invalid, match=words):
        nodes(**asked)


@pytest.mark.parametrize(("text", "expected"), [("0-2,5", [0, 1, 2, 5]), ("0-3,^1", [0, 2, 3]), ("", [])])
def test_lists_of_cpus(text, expected):
    assert numa.read_cpus(text) == expected


@pytest.mark.parametrize("text", ["a", "1-", "0-99999", "-1"])
def test_what_is_no_list_of_cpus(text):
    with pytest.raises(exception.Invalid, match="not a list of CPUs"):
        numa.read_cpus(text)


@pytest.mark.parametrize(("asked", "expected"), [(None, None), ("large", None), ("2048", 2048), ("2MB", 2048), ("1GiB", 1 << 20), ("4k", 4)])
def test_page_sizes(asked, expected):
    assert numa.page_kib({"extra_specs": {"hw:mem_page_size": asked}}, {}) == expected
