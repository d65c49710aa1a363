"""The config drive: files from memory to an ISO 9660 image that guests find by its label, config-2."""
import io

from nova_lite import concurrency

LABEL = "config-2"


def write(path: str, files: dict[str, bytes]) -> None:
    """Write ``files`` (path in the drive → content) to an image with Rock Ridge and Joliet names at ``path``."""
    # Imported when first needed: 6 MB that a host without config drives does not pay.
    import pycdlib
    concurrency.run_native(_write, pycdlib.PyCdlib, path, files)


def _write(new_image, path: str, files: dict[str, bytes]) -> None:
    image = new_image()
    image.new(interchange_level=3, vol_ident=LABEL, rock_ridge="1.09", joliet=3)
    folders = {"": ""}
    for number, name in enumerate(sorted(files)):
        parent, _, base = name.strip("/").rpartition("/")
        _add_folder(image, folders, parent)
        # The plain ISO 9660 name is only a number: everybody reads one of the other two.
        image.add_fp(io.BytesIO(files[name]), len(files[name]), f"{folders[parent]}/F{number:07d}.;1",
                     rr_name=base, joliet_path="/" + name.strip("/"))
    with open(path, "wb") as handle:
        image.write_fp(handle)
    image.close()


def _add_folder(image, folders: dict[str, str], name: str) -> None:
    if name in folders:
        return
    parent, _, base = name.rpartition("/")
    _add_folder(image, folders, parent)
    folders[name] = f"{folders[parent]}/D{len(folders):07d}"
    image.add_directory(folders[name], rr_name=base, joliet_path="/" + name)
