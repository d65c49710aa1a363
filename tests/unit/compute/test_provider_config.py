"""Nova's provider config: what files give hosts, and what is refused with the file's name."""
import textwrap

import pytest

from nova_lite import exception
from nova_lite.compute.worker import provider_config

NODE = "3a0d2d8e-94a3-4f0b-b9b4-7d0b9a3f2c11"


def write(folder, text, name="a.yaml"):
    (folder / name).write_text(textwrap.dedent(text))
    return str(folder)


def of(folder, uuid=NODE, name="node-1"):
    found = provider_config.of_host(provider_config.read(folder), uuid, name)
    return None if found is None else (found.resources, found.traits)


def test_resources_and_traits_of_all_hosts_and_of_one(tmp_path):
    write(tmp_path, """
        meta:
          schema_version: '1.0'
        providers:
          - identification: {uuid: $COMPUTE_NODE}
            inventories:
              additional:
                - CUSTOM_GOLD: {total: 22, reserved: 2, min_unit: 1, max_unit: 10, step_size: 1, allocation_ratio: 1}
                - CUSTOM_SILVER: {total: 1}
            traits: {additional: [CUSTOM_QUIET, CUSTOM_NEW]}
          - identification: {name: node-2}
            traits: {additional: [CUSTOM_OLD]}
          - identification: {name: idle}
        """)
    write(tmp_path, f"""
        meta: {{schema_version: '1.3'}}
        providers: [{{identification: {{uuid: {NODE[:-1]}2}}, inventories: {{additional: [{{CUSTOM_LEAD: {{total: 3}}}}]}}}}]
        """, "b.yaml")
    write(tmp_path, "nonsense: [", "ignored.yml")
    gold = {"total": 22, "reserved": 2, "min": 1, "max": 10, "step": 1, "ratio": 1.0}
    assert of(str(tmp_path)) == ({"CUSTOM_GOLD": gold, "CUSTOM_SILVER": {"total": 1}}, ("CUSTOM_NEW", "CUSTOM_QUIET"))
    assert of(str(tmp_path), name="node-2") == ({}, ("CUSTOM_OLD",))
    assert of(str(tmp_path), uuid=NODE[:-1] + "2") == ({"CUSTOM_LEAD": {"total": 3}}, ())
    with pytest.raises(exception.ConfigurationError, match="both about node-2"):
        of(str(tmp_path), uuid=NODE[:-1] + "2", name="node-2")
    assert of(str(tmp_path / "nowhere")) is None


META = "meta: {schema_version: '1.0'}\n"
ENTRY = META + "providers: [{identification: {name: n}, %s}]"


@pytest.mark.parametrize(("text", "words"), [
    ("a: [", "Unable to load yaml file"), ("[]", "Unable to detect schema version"), ("meta: {schema_version: 1.0}", "Unable to detect"),
    ("meta: {schema_version: '2.0'}", "Unsupported schema major version: 2"), (META + "providers: 3", "not a list"),
    (META + "providers: [{}]", "not a uuid or a name"), (META + "providers: [{identification: {uuid: x}}]", "identifies no provider"),
    (META + "providers: [{identification: {uuid: x, name: y}}]", "not a uuid or a name"),
    (META + "providers: [{identification: {name: n}, traits: {additional: [CUSTOM_A]}}, {identification: {name: n}}]", "multiple definitions"),
    (ENTRY % "traits: {additional: [HW_CPU_X86_VMX]}", "only custom traits are allowed: .'HW_CPU_X86_VMX'"),
    (ENTRY % "traits: {additional: CUSTOM_A}", "not a list"), (ENTRY % "inventories: {additional: [3]}", "not an inventory"),
    (ENTRY % "inventories: {additional: [VCPU: {total: 3}]}", "only custom resource classes are allowed: VCPU"),
    (ENTRY % "inventories: {additional: [CUSTOM_A: {reserved: 3}]}", "has no total"),
    (ENTRY % "inventories: {additional: [CUSTOM_A: {total: 0}]}", "total of CUSTOM_A is 0"),
    (ENTRY % "inventories: {additional: [CUSTOM_A: {total: 1.5}]}", "total of CUSTOM_A is 1.5"),
    (ENTRY % "inventories: {additional: [CUSTOM_A: {total: 1, colour: 3}]}", "colour is none of total"),
])
def test_what_is_wrong_is_said_with_the_file(tmp_path, text, words):
    with pytest.raises(exception.ConfigurationError, match=words) as caught:
        provider_config.read(write(tmp_path, text))
    assert "a.yaml" in str(caught.value)
