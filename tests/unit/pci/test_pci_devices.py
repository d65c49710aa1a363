"""Which of a host's PCI devices are offered: Nova's device_spec, and what it refuses."""
import json

import pytest

from nova_lite import exception
from nova_lite.pci.devices import PCI, PF, VF, Device, offered, read

CARD = Device("0000:81:00.0", "8086", "1521", PF, 1, interface="ens1f0")
FUNCTIONS = tuple(Device(f"0000:81:10.{number}", "8086", "1520", VF, 1, CARD.address) for number in range(3))
CHIP = Device("0000:02:01.0", "8086", "0443", PCI, 0)
FAR = Device("0001:82:00.0", "10de", "25b6", PCI)
HOST = (FAR, CHIP, CARD, *FUNCTIONS)


def addresses(*entries):
    return [device["address"] for device in offered(HOST, read(json.dumps(entry) for entry in entries))]


@pytest.mark.parametrize(("entry", "found"), [
    ({"vendor_id": "8086", "product_id": "0443"}, [CHIP.address]),
    ({"vendor_id": "8086"}, [CHIP.address, CARD.address, *(each.address for each in FUNCTIONS)]),
    ({"vendor_id": "*", "product_id": "25b6"}, [FAR.address]),
    ({"address": "0000:02:01.0"}, [CHIP.address]),
    ({"address": "*:81:10.*"}, [each.address for each in FUNCTIONS]),
    ({"address": ":81:10."}, [each.address for each in FUNCTIONS]),
    ({"address": "81:10.2"}, [FUNCTIONS[2].address]),
    ({"address": "2:1.0"}, [CHIP.address]),
    # A physical function stands for its virtual ones.
    ({"address": "0000:81:00.0"}, [CARD.address, *(each.address for each in FUNCTIONS)]),
    ({"address": "0000:81:00.0", "product_id": "1520"}, [each.address for each in FUNCTIONS]),
    ({"devname": "ens1f0"}, [CARD.address, *(each.address for each in FUNCTIONS)]),
    ({"devname": "ens1f0", "product_id": "1521"}, [CARD.address]),
    ({"devname": "eth9"}, []),
    ({"address": {"domain": ".*", "bus": "81", "slot": "10", "function": "[1-2]"}}, [FUNCTIONS[1].address, FUNCTIONS[2].address]),
    ({"address": {"bus": "0[12]"}}, [CHIP.address]),
    ([{"product_id": "0443"}, {"product_id": "25b6"}], [CHIP.address, FAR.address]),
    ({}, sorted(each.address for each in HOST)),
])
def test_a_spec_matches_devices_by_ids_address_or_interface(entry, found):
    assert addresses(entry) == found


def test_the_first_spec_that_matches_says_the_tags():
    specs = read(['{"product_id": "1520", "address": "*:81:10.0", "trusted": "YES"}', '{"product_id": "1520", "physical_network": "net1"}'])
    first, second, _third = offered(HOST, specs)
    assert first == {"address": "0000:81:10.0", "vendor_id": "8086", "product_id": "1520", "dev_type": VF, "numa_node": 1,
                     "parent": CARD.address, "trusted": "true"}
    assert second["physical_network"] == "net1"
    assert "numa_node" not in offered([FAR], read(["{}"]))[0]


@pytest.mark.parametrize(("text", "words"), [
    ("{", "Invalid entry: '{'"), ("3", "Expecting list or dict"), ("[3]", "Expecting dict"),
    ('{"vendor_id": "xyz"}', r"property vendor_id \('xyz'\) does not parse as a hex number"),
    ('{"vendor_id": "12345"}', "maximum allowable value \\(FFFF\\)"),
    ('{"address": "0000:81:20.0"}', "property slot"), ('{"address": "::::"}', "incorrect format"), ('{"address": 7}', "incorrect format"),
    ('{"address": {"bus": "("}}', "incorrect format"), ('{"address": {"wagon": "1"}}', "incorrect format"),
    ('{"address": "*:*:*.*", "devname": "eth0"}', "not both"), ('{"managed": "perhaps"}', "neither true nor false")])
def test_what_is_no_spec_is_refused_in_words(text, words):
    with pytest.raises(exception.ConfigurationError, match=words):
        read([text])
