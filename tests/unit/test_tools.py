"""The shell tools: that they parse, explain themselves, and refuse what they do not know. What they do is shown by the live tests."""
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = [ROOT / "run_tests.sh", *sorted((ROOT / "tools").glob("*.sh"))]
SOURCED = sorted((ROOT / "tools").glob("*/*.sh"))


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.mark.parametrize("script", [*SCRIPTS, *SOURCED], ids=lambda path: path.name)
def test_parses(script):
    assert run("bash", "-n", script).stderr == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_explains_itself(script):
    done = run(script, "-h")
    assert done.returncode == 0
    assert f"usage: {'./' if script.parent == ROOT else 'tools/'}{script.name}" in done.stdout
    assert "set -" not in done.stdout


@pytest.mark.parametrize("script", ["run_tests.sh", "tools/quickstart.sh", "tools/tempest.sh", "tools/system_packages.sh", "tools/with_venv.sh"])
def test_refuses_unknown_options(script):
    done = run(ROOT / script, "-Z")
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_unknown_package_group_is_named():
    done = run(ROOT / "tools/system_packages.sh", "-n", "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_package_table_has_three_columns_and_no_duplicates():
    text = (ROOT / "tools/system_packages.sh").read_text()
    rows = [line.split(None, 2) for line in text.partition("PACKAGES='\n")[2].partition("\n'\n")[0].splitlines()]
    assert {row[0].split("@")[0] for row in rows} == {"build", "run", "test"}
    assert all(len(row) == 3 for row in rows)
    names = [row[1] for row in rows]
    assert len(set(names)) == len(names)


def shell(code: str, folder: pathlib.Path):
    """Run code after tools/quickstart/cloud.sh, with its state in ``folder``."""
    prelude = f"set -euo pipefail\nroot={ROOT} state={folder} driver=fake\n. {ROOT}/tools/quickstart/cloud.sh\n"
    return run("bash", "-c", prelude + code)


def test_configuration_is_private_and_kept(tmp_path):
    first = shell("configure; echo $port", tmp_path)
    assert first.returncode == 0, first.stderr
    config = (tmp_path / "nova-lite.conf").read_text()
    assert "driver = fake" in config
    for name in ("nova-lite.conf", "clouds.yaml"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    password = config.partition("admin_password = ")[2].strip()
    assert len(password) >= 24
    assert password in (tmp_path / "clouds.yaml").read_text()
    again = shell("configure; echo $port", tmp_path)
    assert again.stdout == first.stdout
    assert (tmp_path / "nova-lite.conf").read_text() == config


def test_two_clouds_have_two_passwords(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert shell("configure", tmp_path / name).returncode == 0
    one, two = ((tmp_path / name / "nova-lite.conf").read_text().partition("admin_password = ")[2] for name in ("one", "two"))
    assert one != two


def test_only_the_remembered_process_is_ended(tmp_path):
    code = """
    sleep 300 & first=$!
    sleep 300 & second=$!
    remember "$state/pids" $first
    echo "$second 1" >> "$state/pids"    # a number that has passed on to another process
    is_running "$state/pids" && echo running
    end "$state/pids" 5
    kill -0 $first 2>/dev/null || echo first gone
    kill -0 $second && echo second there
    kill $second
    """
    assert shell(code, tmp_path).stdout.splitlines() == ["running", "first gone", "second there"]


def test_kvm_only_with_cpu_support_and_device(tmp_path):
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    capable = "vmx" in flags or "svm" in flags
    chosen = shell('choose_virt_type; echo "$virt_type"; echo "$virt_reason"', tmp_path).stdout.splitlines()
    assert chosen[0] in ("kvm", "qemu")
    assert chosen[0] == "qemu" or capable
    assert chosen[1]
