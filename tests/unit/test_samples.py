"""The samples under etc/ say what config.py and policy.py say; tools/generate_samples.sh writes them."""
import contextlib
import io
import pathlib

import pytest
from oslo_config import generator as config_generator
from oslo_policy import generator as policy_generator

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "etc" / "nova_lite"


def generated(main, *arguments: str) -> str:
    """What one of the generators prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main(["--namespace", "nova_lite", *arguments])
    return output.getvalue()


@pytest.mark.parametrize(("name", "make"), [
    ("nova-lite.conf.sample", lambda: generated(config_generator.main, "--wrap-width", "120")),
    ("policy.yaml.sample", lambda: generated(policy_generator.generate_sample)),
])
def test_sample_is_up_to_date(name, make):
    assert (SAMPLES / name).read_text() == make(), f"etc/nova_lite/{name} is out of date: run tools/generate_samples.sh"


def test_no_option_of_the_sample_names_this_machine():
    assert "<this machine's host name>" in (SAMPLES / "nova-lite.conf.sample").read_text()
