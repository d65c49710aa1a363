"""Policies of a guest's CPUs: which are dedicated, how they use threads of a core, where the emulator runs, which are real-time.

Read from flavor and image and checked against each other, in the words of the Compute API. Called by ``wanted``.
"""
import dataclasses
import re
from collections.abc import Mapping

from nova_lite import exception
from nova_lite.numa import cpulist

CPU_POLICIES = ("dedicated", "shared", "mixed")
THREAD_POLICIES = ("prefer", "isolate", "require")
EMULATOR_POLICIES = ("isolate", "share")
PCI_POLICIES = ("required", "legacy", "preferred", "socket")
TRUE = ("1", "t", "true", "on", "y", "yes")
ISOLATED_PCPUS = ("You have requested 'hw:emulator_threads_policy=isolate' but have not requested sufficient PCPUs to handle this policy; you must "
                  "allocate exactly flavor.vcpus + 1 PCPUs.")
OTHER_PCPUS = ("There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and the flavor); you must allocate exactly "
               "flavor.vcpus PCPUs")
SET_TWICE = ("It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the 'hw:cpu_policy' extra spec or "
             "'hw_cpu_policy' image metadata property; use one or the other")
BOTH_KINDS = "It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other"
THREADS_TWICE = ("It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination with the 'hw:cpu_thread_policy' extra spec "
                 "or 'hw_cpu_thread_policy' image metadata property; use one or the other")
ONE_MASK = ("Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when using 'mixed' CPU policy. "
            "'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the same time, or be specified with none of them.")
_ASKING = re.compile("hw[:_](cpu_policy|cpu_thread_policy|cpu_dedicated_mask|cpu_realtime|emulator_threads_policy|pci_numa_affinity_policy|numa_|"
                     "mem_page_size|locked_memory)|resources[^:]*:[VP]CPU|trait[^:]*:HW_CPU_HYPERTHREADING")


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A flavor's extra specs and an image's properties."""

    specs: Mapping
    properties: Mapping

    def anything(self) -> bool:
        """Whether any of them is about CPUs, nodes or pages; cheap, for most are not."""
        return any(map(_ASKING.match, self.specs)) or any(map(_ASKING.match, self.properties))

    def pair(self, name: str) -> tuple[str | None, str | None]:
        """What flavor and image say, None for nothing."""
        found = (self.specs.get(f"hw:{name}"), self.properties.get(f"hw_{name}"))
        return tuple(None if value in (None, "") else str(value) for value in found)


@dataclasses.dataclass(frozen=True, slots=True)
class Policies:
    """``pinned``, ``realtime``: numbers of the guest's CPUs. Else as in ``wanted.Wanted``."""

    pinned: tuple[int, ...] = ()
    threads: str | None = None
    emulator: str | None = None
    realtime: tuple[int, ...] = ()


def read(asked: Asked, vcpus: int) -> Policies:
    """Raises Invalid where they contradict each other."""
    policy, threads, emulator = _cpu_policy(asked), _thread_policy(asked), _emulator_policy(asked)
    realtime, mask = _realtime(asked, vcpus, emulator), _dedicated_mask(asked, vcpus)
    policy = _by_resources(asked, policy, emulator, vcpus)
    threads = _by_trait(asked, threads)
    check_pci_affinity(asked)
    if policy in (None, "shared"):
        _check_shared(threads, emulator, mask, realtime)
        return Policies(emulator=emulator)
    if policy == "dedicated":
        if mask:
            raise exception.Invalid("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
        return Policies(tuple(range(vcpus)), threads, emulator, realtime)
    if bool(realtime) == bool(mask):
        raise exception.Invalid(ONE_MASK)
    return Policies(mask or realtime, threads, emulator, realtime)


def _check_shared(threads, emulator, mask, realtime) -> None:
    if threads:
        raise exception.Invalid("Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy")
    if emulator == "isolate":
        raise exception.Invalid("An isolated CPU emulator threads option requires a dedicated CPU policy option.")
    if mask:
        raise exception.Invalid("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
    if realtime:
        raise exception.Invalid("Cannot set realtime policy in a non dedicated cpu pinning policy")


def _known(value: str | None, words: tuple[str, ...], kind: str, source: str) -> None:
    if value is not None and value not in words:
        raise exception.Invalid(f"{kind} requested from '{source}' is invalid, given: '{value}', available: '{words}'.")


def _cpu_policy(asked: Asked) -> str | None:
    by_flavor, by_image = asked.pair("cpu_policy")
    _known(by_flavor, CPU_POLICIES, "CPU policy", "flavor extra specs")
    _known(by_image, CPU_POLICIES, "CPU policy", "image properties")
    # An image may ask for less than the flavor gives alone, and for more where the flavor leaves it open.
    if (by_flavor, by_image) in (("mixed", "dedicated"), ("shared", "mixed"), ("shared", "dedicated")):
        raise exception.Invalid("Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor")
    return by_flavor or by_image


def _thread_policy(asked: Asked) -> str | None:
    by_flavor, by_image = asked.pair("cpu_thread_policy")
    _known(by_flavor, THREAD_POLICIES, "CPU thread policy", "flavor extra specs")
    _known(by_image, THREAD_POLICIES, "CPU thread policy", "image properties")
    if by_flavor not in (None, "prefer") and by_image and by_image != by_flavor:
        raise exception.Invalid("Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor")
    return by_flavor or by_image


def _emulator_policy(asked: Asked) -> str | None:
    policy = asked.pair("emulator_threads_policy")[0]
    if policy is not None and policy not in EMULATOR_POLICIES:
        raise exception.Invalid(f"CPU emulator threads option requested is invalid, given: '{policy}', available: '{EMULATOR_POLICIES}'.")
    return policy


def _mask(text: str, vcpus: int) -> tuple[int, ...]:
    return cpulist.read(f"0-{vcpus - 1},{text}" if text.strip().startswith("^") else text)


def _dedicated_mask(asked: Asked, vcpus: int) -> tuple[int, ...]:
    text = asked.pair("cpu_dedicated_mask")[0]
    if text is None:
        return ()
    pinned = _mask(text, vcpus)
    if not pinned or not set(range(vcpus)) - set(pinned):
        raise exception.Invalid("Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'.")
    if pinned[-1] >= vcpus:
        raise exception.Invalid("Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See \"hw:cpu_dedicated_mask\"")
    return pinned


def _realtime(asked: Asked, vcpus: int, emulator: str | None) -> tuple[int, ...]:
    if (asked.pair("cpu_realtime")[0] or "").lower() not in TRUE:
        return ()
    by_flavor, by_image = asked.pair("cpu_realtime_mask")
    text = by_image or by_flavor
    found = _mask(text, vcpus) if text else tuple(range(vcpus))
    if not found or (found == tuple(range(vcpus)) and not emulator):
        raise exception.Invalid("Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads.")
    if found[-1] >= vcpus:
        raise exception.Invalid("Realtime policy vCPU(s) mask is configured with RT vCPUs that are not a subset of the vCPUs in the flavor. See "
                                "hw:cpu_realtime_mask or hw_cpu_realtime_mask")
    return found


def _by_resources(asked: Asked, policy: str | None, emulator: str | None, vcpus: int) -> str | None:
    """The policy, with what the flavor says of resource classes instead."""
    shared, dedicated = (sum(int(value) for name, value in asked.specs.items() if re.fullmatch(rf"resources([1-9]\d*)?:{kind}", name)
                             and re.fullmatch(r"\d{1,9}", str(value))) for kind in ("VCPU", "PCPU"))
    if policy and (shared or dedicated):
        raise exception.Invalid(SET_TWICE)
    if shared and dedicated:
        raise exception.Invalid(BOTH_KINDS)
    if dedicated and emulator == "isolate" and dedicated != vcpus + 1:
        raise exception.Invalid(ISOLATED_PCPUS)
    if dedicated and emulator != "isolate" and dedicated != vcpus:
        raise exception.Invalid(OTHER_PCPUS)
    return "dedicated" if dedicated else "shared" if shared else policy


def _by_trait(asked: Asked, threads: str | None) -> str | None:
    """The thread policy, with what the flavor says of hyper-threading instead."""
    said = next((value for name, value in asked.specs.items() if re.fullmatch(r"trait([1-9]\d*)?:HW_CPU_HYPERTHREADING", name)), None)
    if threads and said:
        raise exception.Invalid(THREADS_TWICE)
    return {"forbidden": "isolate", "required": "require"}.get(said, threads)


def check_pci_affinity(asked: Asked) -> str | None:
    """How near a guest's PCI devices must be to its cells, None where nothing is said. Raises Invalid."""
    by_flavor, by_image = asked.pair("pci_numa_affinity_policy")
    if by_flavor and by_image and by_flavor != by_image:
        raise exception.Invalid("Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' flavor "
                                "extra spec.")
    policy = by_flavor or by_image
    if policy and policy not in PCI_POLICIES:
        raise exception.Invalid(f"Invalid PCI NUMA affinity configured: {policy}")
    return policy


def check_locked(asked: Asked) -> None:
    """Memory that is never swapped out is for guests that say their pages. Raises Invalid."""
    by_flavor, by_image = (None if value is None else value.lower() in TRUE for value in asked.pair("locked_memory"))
    if None not in (by_flavor, by_image) and by_flavor != by_image:
        raise exception.Invalid(f"locked_memory value in image ({by_image}) and flavor ({by_flavor}) conflict. A consistent value is expected if "
                                "both specified.")
    if (by_image if by_flavor is None else by_flavor) and not any(asked.pair("mem_page_size")):
        raise exception.Invalid("locked_memory value in image or flavor is forbidden when mem_page_size is not set.")
