"""What TPMs know on its way: read where libvirt keeps it, or where it waits, and put in the place of what is there."""
import pytest

from nova_lite import exception
from nova_lite.virt.libvirt import layout, tpm


@pytest.fixture
def place(tmp_path):
    made = layout.ServerFiles(str(tmp_path), "s1")
    made.folder.mkdir(parents=True)
    return made


def test_it_travels_and_is_installed_over_what_is_there(place, tmp_path):
    kept, there = tmp_path / "swtpm" / "s1", tmp_path / "other" / "s1"
    (kept / "tpm2").mkdir(parents=True)
    for name, content in ((".lock", b""), ("tpm2-00.permall", b"seeds"), ("tpm2-00.volatilestate", b"now")):
        (kept / "tpm2" / name).write_bytes(content)
    assert tpm.files(place, kept) == {}
    place.tpm.write_text("<domain/>")
    found = tpm.files(place, kept)
    assert {name.removeprefix("tpm-tpm2-"): path.read_bytes() for name, path in found.items()} == {
        "tpm2-00.permall": b"seeds", "tpm2-00.volatilestate": b"now"}
    for name, path in found.items():
        (place.folder / name).write_bytes(path.read_bytes())
    (there / "tpm2").mkdir(parents=True)
    (there / "tpm2" / "tpm2-00.old").write_bytes(b"of an earlier stay")
    assert set(tpm.files(place, there).values()) == {place.folder / name for name in found}
    tpm.install(place, there)
    assert {path.name: path.read_bytes() for path in there.glob("tpm2/*")} == {"tpm2-00.permall": b"seeds", "tpm2-00.volatilestate": b"now"}
    tpm.install(place, there)
    assert [path.name for path in place.folder.iterdir()] == ["tpm"] and (there / "tpm2" / "tpm2-00.permall").stat().st_mode & 0o777 == 0o600


def test_an_installation_that_was_cut_off_goes_on(place, tmp_path, monkeypatch):
    there = tmp_path / "other" / "s1"
    for name in ("tpm-tpm2-a", "tpm-tpm2-b"):
        (place.folder / name).write_text(name)
    real, left = tpm.shutil.copyfile, [1]

    def copy(source, target):
        if not left:
            raise OSError("cut off")
        left.pop()
        return real(source, target)
    with monkeypatch.context() as patched:
        patched.setattr(tpm.shutil, "copyfile", copy)
        with pytest.raises(OSError, match="cut off"):
            tpm.install(place, there)
    tpm.install(place, there)
    assert sorted(path.name for path in (there / "tpm2").iterdir()) == ["a", "b"] and list(place.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["tpm-tpm2-../x", "tpm-tpm2-.lock", "tpm-../a", "tpm-tpm3-a", "tpm-tpm2-a/b", "tpm"])
def test_names_that_do_not_travel(name):
    assert tpm.NAME.fullmatch(name) is None


def test_what_cannot_be_read_is_told(place, tmp_path):
    place.tpm.write_text("<domain/>")
    with pytest.raises(exception.HypervisorError, match="cannot read it"):
        tpm.files(place, tmp_path / "nowhere")
