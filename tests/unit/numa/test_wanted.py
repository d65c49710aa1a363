"""What flavors and images ask of CPUs, nodes and pages, and how what contradicts itself is refused; by values."""
import pytest

from nova_lite import exception
from nova_lite.numa import cpulist, wanted
from nova_lite.numa.wanted import GuestCell


def read(vcpus=4, memory_mb=512, image=None, specs=None, **said):
    flavor = {"vcpus": vcpus, "memory_mb": memory_mb, "extra_specs": {**(specs or {}), **{f"hw:{name}": value for name, value in said.items()}}}
    return wanted.read(flavor, {f"hw_{name}": value for name, value in (image or {}).items()})


def nodes(**asked):
    return [(cell.cpus, cell.memory_mb) for cell in read(**asked).cells]


def named(*pairs):
    return {f"numa_{what}.{number}": value for number, pair in enumerate(pairs) for what, value in zip(("cpus", "mem"), pair, strict=True)}


# ---- what is given ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("said", [
    {}, {"cpu_policy": "shared"}, {"numa_cpus.0": "0-3"}, {"emulator_threads_policy": "share"}, {"specs": {"resources:VCPU": "2"}},
    {"image": {"cpu_policy": "shared"}}, {"pci_numa_affinity_policy": "required"}, {"specs": {"hw:cpu_sockets": "2", "other": "x"}},
])
def test_nobody_asks(said):
    assert read(**said) is None


def test_equal_parts():
    assert nodes(numa_nodes="2") == [((0, 1), 256), ((2, 3), 256)]
    assert nodes(image={"numa_nodes": 4})[3] == ((3,), 128)
    assert nodes(mem_page_size="large") == [((0, 1, 2, 3), 512)]


def test_parts_that_are_named():
    assert nodes(numa_nodes="2", **named(("0-2", "384"), ("3", "128"))) == [((0, 1, 2), 384), ((3,), 128)]
    assert nodes(numa_nodes="2", image=named(("0-2", 384), ("3", 128))) == [((0, 1, 2), 384), ((3,), 128)]


def test_dedicated_cpus():
    assert read(cpu_policy="dedicated").cells == (GuestCell((), (0, 1, 2, 3), 512),)
    assert read(image={"cpu_policy": "dedicated"}).cells == read(cpu_policy="dedicated", image={"cpu_policy": "shared"}).cells
    assert read(specs={"resources:PCPU": "4"}).cells == read(cpu_policy="dedicated").cells
    isolated = read(specs={"resources1:PCPU": "5"}, emulator_threads_policy="isolate")
    assert (isolated.pinned_cpus(), isolated.floating_cpus(), isolated.emulator) == (5, 0, "isolate")


def test_mixed_cpus():
    mixed = read(cpu_policy="mixed", cpu_dedicated_mask="^0-1", numa_nodes="2")
    assert mixed.cells == (GuestCell((0, 1), (), 256), GuestCell((), (2, 3), 256))
    assert (mixed.pinned_cpus(), mixed.floating_cpus()) == (2, 2)
    assert read(cpu_policy="mixed", cpu_realtime="yes", cpu_realtime_mask="1").cells == (GuestCell((0, 2, 3), (1,), 512),)
    flavor = {"vcpus": 4, "memory_mb": 512, "extra_specs": {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1"}}
    assert wanted.dedicated_cpus(flavor, {}) == 1 and wanted.dedicated_cpus({**flavor, "extra_specs": {}}, {"hw_cpu_policy": "dedicated"}) == 4
    assert wanted.dedicated_cpus({**flavor, "extra_specs": {}}, {}) == 0


def test_threads_and_realtime():
    assert read(cpu_policy="dedicated", cpu_thread_policy="prefer", image={"cpu_thread_policy": "isolate"}).threads == "prefer"
    assert read(cpu_policy="dedicated", image={"cpu_thread_policy": "isolate"}).threads == "isolate"
    assert read(cpu_policy="dedicated", specs={"trait:HW_CPU_HYPERTHREADING": "required"}).threads == "require"
    assert read(cpu_policy="dedicated", specs={"trait1:HW_CPU_HYPERTHREADING": "forbidden"}).threads == "isolate"
    assert read(cpu_policy="dedicated", cpu_realtime="true", cpu_realtime_mask="^0").realtime == (1, 2, 3)
    assert read(cpu_policy="dedicated", cpu_realtime="true", emulator_threads_policy="share").realtime == (0, 1, 2, 3)
    assert read(cpu_policy="dedicated", cpu_realtime="no").realtime == ()


@pytest.mark.parametrize(("asked", "expected"), [
    ("large", "large"), ("any", "any"), ("small", "small"), ("2048", 2048), ("2MB", 2048), ("1GiB", 1 << 20), ("1GB", 1 << 20), ("4k", 4),
    ("8192b", 1), ("64Mib", 8192)])
def test_page_sizes(asked, expected):
    assert read(mem_page_size=asked).page == expected


def test_pages_of_images():
    assert read(mem_page_size="large", image={"mem_page_size": "2MB"}).page == 2048
    assert read(mem_page_size="any", image={"mem_page_size": "small"}).page == "small"


@pytest.mark.parametrize(("text", "expected"), [("0-2,5", (0, 1, 2, 5)), ("0-3,^1", (0, 2, 3)), ("0-9,^2-8", (0, 1, 9)),
                                                ("", ()), (" 1 ,, 2", (1, 2))])
def test_lists_of_cpus(text, expected):
    assert cpulist.read(text) == expected
    assert cpulist.read(cpulist.write(expected)) == expected


def test_runs_of_cpus():
    assert cpulist.write((7, 1, 2, 3)) == "1-3,7"


# ---- what is refused -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "words"), [
    ("a", "Invalid inclusion expression 'a'"), ("1-", "Invalid range expression '1-'"), ("3-1", "Invalid range expression '3-1'"),
    ("^x", "Invalid exclusion expression '^x'"), ("0-99999", "Invalid range"), ("-1", "Invalid range")])
def test_what_is_no_list_of_cpus(text, words):
    with pytest.raises(exception.Invalid) as caught:
        cpulist.read(text)
    assert words in str(caught.value)


REFUSED = [
    ({"numa_nodes": "3"}, "cannot be evenly distributed across instance NUMA nodes"),
    ({"numa_nodes": "5"}, "cannot be evenly distributed"),
    ({"numa_nodes": "0"}, "The property 'numa_nodes' cannot be '0'. It must be a number greater than 0"),
    ({"numa_nodes": "many"}, "The property 'numa_nodes' cannot be 'many'"),
    ({"numa_nodes": "2", "memory_mb": 511}, "cannot be evenly distributed"),
    ({"numa_nodes": "2", "image": {"numa_nodes": 2}}, "Image property 'hw_numa_nodes' is not permitted to override NUMA configuration"),
    ({"numa_nodes": "1", **named(("0-3", "512")), "image": {"numa_cpus.0": "0-3"}}, "Image property 'hw_numa_cpus' is not permitted"),
    ({"numa_nodes": "1", **named(("0-3", "512")), "image": {"numa_mem.0": "512"}}, "Image property 'hw_numa_mem' is not permitted"),
    ({"numa_nodes": "2", **named(("0-2", "384"))}, "CPU and memory allocation must be provided for all NUMA nodes"),
    ({"numa_nodes": "1", "numa_cpus.0": "0-3"}, "CPU and memory allocation must be provided for all NUMA nodes"),
    ({"numa_nodes": "2", **named(("0-2", "384"), ("2-3", "128"))}, "CPU number 2 is assigned to two nodes"),
    ({"numa_nodes": "2", **named(("0-2", "384"), ("3-4", "128"))}, "CPU number 4 is larger than max 3"),
    ({"numa_nodes": "2", **named(("0-1", "384"), ("3", "128"))}, "CPU number {2} is not assigned to any node"),
    ({"numa_nodes": "2", **named(("0-2", "384"), ("3", "64"))}, "448 MB of memory assigned, but expected 512 MB"),
    ({"numa_nodes": "2", **named(("0-2", "384"), ("x", "128"))}, "Invalid inclusion expression 'x'"),
    ({"numa_nodes": "2", **named(("0-2", "much"), ("3", "128"))}, "'much' is not a number of MB"),
    ({"mem_page_size": "huge"}, "Invalid memory page size 'huge'"),
    ({"mem_page_size": "0"}, "Invalid memory page size '0'"),
    ({"image": {"mem_page_size": "large"}}, "Page size large forbidden against '<empty>'"),
    ({"mem_page_size": "small", "image": {"mem_page_size": "large"}}, "Page size large forbidden against 'small'"),
    ({"mem_page_size": "any", "image": {"mem_page_size": "huge"}}, "Invalid memory page size 'huge'"),
    ({"cpu_policy": "mine"}, "CPU policy requested from 'flavor extra specs' is invalid, given: 'mine', available: "
                              "'('dedicated', 'shared', 'mixed')'."),
    ({"image": {"cpu_policy": "mine"}}, "CPU policy requested from 'image properties' is invalid"),
    ({"cpu_policy": "shared", "image": {"cpu_policy": "dedicated"}}, "Image property 'hw_cpu_policy' is not permitted to override CPU"),
    ({"cpu_policy": "shared", "image": {"cpu_policy": "mixed"}}, "Image property 'hw_cpu_policy' is not permitted"),
    ({"cpu_policy": "mixed", "cpu_dedicated_mask": "1", "image": {"cpu_policy": "dedicated"}}, "Image property 'hw_cpu_policy' is not permitted"),
    ({"cpu_policy": "dedicated", "cpu_thread_policy": "mine"}, "CPU thread policy requested from 'flavor extra specs' is invalid"),
    ({"cpu_policy": "dedicated", "cpu_thread_policy": "require", "image": {"cpu_thread_policy": "isolate"}},
     "Image property 'hw_cpu_thread_policy' is not permitted"),
    ({"cpu_thread_policy": "require"}, "Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy"),
    ({"cpu_policy": "dedicated", "emulator_threads_policy": "mine"}, "CPU emulator threads option requested is invalid, given: 'mine'"),
    ({"emulator_threads_policy": "isolate"}, "An isolated CPU emulator threads option requires a dedicated CPU policy option."),
    ({"cpu_dedicated_mask": "1"}, "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy."),
    ({"cpu_policy": "dedicated", "cpu_dedicated_mask": "1"}, "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy."),
    ({"cpu_policy": "mixed"}, "'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the same time"),
    ({"cpu_policy": "mixed", "cpu_dedicated_mask": "0-3"}, "Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU"),
    ({"cpu_policy": "mixed", "cpu_dedicated_mask": "3-4"}, "not a subset of vCPUs in the flavor"),
    ({"cpu_policy": "mixed", "cpu_dedicated_mask": "0", "cpu_realtime": "1", "cpu_realtime_mask": "1"}, "or be specified with none"),
    ({"cpu_realtime": "true", "cpu_realtime_mask": "1"}, "Cannot set realtime policy in a non dedicated cpu pinning policy"),
    ({"cpu_policy": "dedicated", "cpu_realtime": "true"}, "Use of realtime CPUs requires either one or more non-realtime CPU(s)"),
    ({"cpu_policy": "dedicated", "cpu_realtime": "true", "cpu_realtime_mask": "3-5"}, "RT vCPUs that are not a subset of the vCPUs in the flavor"),
    ({"cpu_policy": "dedicated", "specs": {"resources:PCPU": "4"}}, "use one or the other"),
    ({"specs": {"resources:PCPU": "4", "resources:VCPU": "4"}}, "both 'resources:VCPU' and 'resources:PCPU'"),
    ({"specs": {"resources:PCPU": "3"}}, "you must allocate exactly flavor.vcpus PCPUs"),
    ({"specs": {"resources:PCPU": "4"}, "emulator_threads_policy": "isolate"}, "exactly flavor.vcpus + 1 PCPUs"),
    ({"cpu_policy": "dedicated", "cpu_thread_policy": "prefer", "specs": {"trait:HW_CPU_HYPERTHREADING": "required"}}, "use one or the other"),
    ({"pci_numa_affinity_policy": "near"}, "Invalid PCI NUMA affinity configured: near"),
    ({"pci_numa_affinity_policy": "required", "image": {"pci_numa_affinity_policy": "legacy"}}, "'hw_pci_numa_affinity_policy' is not permitted"),
    ({"locked_memory": "true"}, "locked_memory value in image or flavor is forbidden when mem_page_size is not set."),
    ({"locked_memory": "true", "mem_page_size": "small", "image": {"locked_memory": "no"}},
     "locked_memory value in image (False) and flavor (True) conflict"),
]


@pytest.mark.parametrize(("asked", "words"), REFUSED, ids=[words[:40] for _asked, words in REFUSED])
def test_what_cannot_be(asked, words):
    with pytest.raises(exception.Invalid) as caught:
        read(**asked)
    assert words in str(caught.value)
