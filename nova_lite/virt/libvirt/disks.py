"""A server's disks: made from base images and from nothing, each either complete or not there."""
import contextlib
import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from nova_lite import concurrency, exception, log
from nova_lite.virt import image_format, types
from nova_lite.virt.driver import Fetch
from nova_lite.virt.libvirt import config_drive, layout, qemu_img, staging
from nova_lite.virt.libvirt.images import Base, ImageCache

LOG = log.get(__name__)

DEFAULT_FILE_SYSTEM = "ext4"


def prepare_folders(state_path: str) -> None:
    """Make the folders below the state path; QEMU's account may pass through them, not list them."""
    for folder in (Path(state_path), layout.images_folder(state_path), layout.servers_folder(state_path)):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (layout.images_folder(state_path), layout.servers_folder(state_path)):
        folder.chmod(0o711)


class DiskStore:
    """Makes, removes and lists the files of servers below one state path."""

    ROOT_FORMAT = "qcow2"
    write_config_drive = staticmethod(config_drive.write)

    def __init__(self, state_path: str, host: str):
        self._state_path = state_path
        self._host = host
        self.images = ImageCache(state_path, host)

    def create(self, guest: types.Guest, fetch: Fetch) -> None:
        """Make what is missing of the guest's disks; what is there stays. After an error nothing is left that this call made.

        Raises ImageUnusable, DiskFull, HypervisorError, and what ``fetch`` raises.
        """
        self._make(guest, fetch, "", ())

    def stage(self, guest: types.Guest, fetch: Fetch, keep: Iterable[str]) -> None:
        """Make disks for the guest beside those it has, of kinds that are not in ``keep``. Errors as ``create``."""
        staging.drop_staged(layout.ServerFiles(self._state_path, guest.server_id))
        self._make(guest, fetch, staging.NEXT, keep)

    def stage_resized(self, guest: types.Guest) -> None:
        """Copies of the disks that are there, as large as the guest wants them; blank ones of those that are not. Errors as ``create``."""
        files = layout.ServerFiles(self._state_path, guest.server_id)
        if files.tpm.exists() and _owner(files) not in (None, self._host):
            raise exception.HypervisorError(reason="what the guest's TPM knows is not on the storage that the hosts share")
        staging.drop_staged(files)
        for plain in (str(files.bases), files.nvram):
            if os.path.exists(plain):
                shutil.copyfile(plain, plain + staging.NEXT)
        for disk, plain in files.disks(guest.disks):
            if os.path.exists(plain) and disk.kind != "swap":
                with _in_place(plain + staging.NEXT) as fresh:
                    qemu_img.copy_grown(plain, fresh, self.format_of(disk), disk.size_mb << 20)
                    self.has_grown(disk, fresh)
        self._make(guest, _nothing_to_fetch, staging.NEXT, ())

    def swap(self, server_id: str, back: bool) -> None:
        """Staged disks take the place of the present ones, or those aside return."""
        files = layout.ServerFiles(self._state_path, server_id)
        (staging.put_back if back else staging.swap)(files)

    def trim(self, guest: types.Guest) -> None:
        """Remove the disks that the guest has not, and forget the images that only they were made from."""
        files = layout.ServerFiles(self._state_path, guest.server_id)
        staging.trim(files, {*(path for _, path in files.disks(guest.disks)), files.config_drive(guest)})
        wanted = {image.id for image in (guest.kernel, guest.ramdisk, *(disk.image for disk in guest.disks)) if image is not None}
        if files.bases.exists():
            known = [image_id for image_id in files.bases.read_text().split() if image_id in wanted]
            with _in_place(str(files.bases)) as path:
                Path(path).write_text("".join(f"{image_id}\n" for image_id in known))

    def _make(self, guest: types.Guest, fetch: Fetch, suffix: str, keep: Iterable[str]) -> None:
        files = layout.ServerFiles(self._state_path, guest.server_id)
        bases = Path(str(files.bases) + suffix)
        made: list[str] = []
        try:
            files.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            if not suffix:
                self.own(guest.server_id)
            for image in (guest.kernel, guest.ramdisk):
                if image is not None:
                    with self.images.hold(image, fetch):
                        _record_base(bases, image.id)
            for disk, plain in files.disks(guest.disks):
                if disk.kind not in keep and not os.path.exists(plain + suffix):
                    self._create_disk(disk, plain, suffix, bases, fetch)
                    made.append(plain + suffix)
            drive = files.config_drive(guest) + suffix
            if guest.config_drive is not None and not os.path.exists(drive):
                with _in_place(drive) as path:
                    self.write_config_drive(path, guest.config_drive)
                made.append(drive)
        except OSError as error:
            _undo(files, made)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise exception.DiskFull(host=self._host, reason=error.strerror)
            raise
        except exception.DiskFull as error:
            _undo(files, made)
            raise exception.DiskFull(host=self._host, reason=error.details.get("reason"))
        except BaseException:
            _undo(files, made)
            raise

    @contextlib.contextmanager
    def base(self, server_id: str, image: types.ImageSource, fetch: Fetch):
        """The base of an image (images.Base), which stays as long as the server has files here. Errors as ``ImageCache.hold``."""
        with self.images.hold(image, fetch) as base:
            _record_base(layout.ServerFiles(self._state_path, server_id).bases, image.id)
            yield base

    def own(self, server_id: str, host: str | None = None, lender: str | None = None) -> None:
        """Note whose the files are where several hosts see them: ``host``'s or this one's. ``lender``: whose again if they are deleted."""
        files = layout.ServerFiles(self._state_path, server_id)
        noted = "\n".join(name for name in (host or self._host, lender) if name)
        if _noted(files) != noted:
            with _in_place(str(files.owner)) as path:
                Path(path).write_text(noted)

    def delete(self, server_id: str) -> None:
        """Remove all files of the server, but not those that are another host's, nor those that one has lent."""
        files = layout.ServerFiles(self._state_path, server_id)
        folder, (owner, _, lender) = files.folder, _noted(files).partition("\n")
        if owner not in ("", self._host):
            LOG.info("the files of server %s belong to host %s, and stay", server_id, owner)
            return
        if lender:
            LOG.info("the files of server %s are those of host %s again", server_id, lender)
            self.own(server_id, lender)
            return
        while folder.exists():
            # Two that remove the same folder stumble over each other's work.
            with contextlib.suppress(FileNotFoundError):
                concurrency.run_native(shutil.rmtree, folder)

    def server_ids(self) -> set[str]:
        """Servers that have files here, which are not another host's."""
        return {name for name in os.listdir(layout.servers_folder(self._state_path))
                if _owner(layout.ServerFiles(self._state_path, name)) in (None, self._host)}

    def unfinished(self) -> dict[str, list[str]]:
        """By server the files that only a change under way needs (see ``layout``); none: the server is not in it."""
        found = {server_id: layout.ServerFiles(self._state_path, server_id).unfinished() for server_id in self.server_ids()}
        return {server_id: names for server_id, names in found.items() if names}

    def reaches(self, server_id: str) -> bool:
        """Whether the server has files here, whosever they are."""
        return layout.ServerFiles(self._state_path, server_id).folder.exists()

    def owner(self, server_id: str) -> str | None:
        """The host whose the server's files are; None where there are none, or nobody's."""
        return _owner(layout.ServerFiles(self._state_path, server_id))

    def format_of(self, disk: types.Disk) -> str:
        """The format of the file that a disk of the server is."""
        return self.ROOT_FORMAT if disk.kind in ("root", "rescue") else "raw"

    def has_grown(self, disk: types.Disk, path: str) -> None:
        """The file of a disk may have become larger than what is on it; the guest sees to that by itself."""

    def lay_root(self, disk: types.Disk, base: Base | None, path: str) -> None:
        """Make the file of a root disk: blank, or with ``base``, which stays as long as the file does, as its first content."""
        if base is None:
            qemu_img.create_blank(path, disk.size_mb << 20)
        else:
            qemu_img.create_overlay(path, base.path, base.format, disk.size_mb << 20 or base.virtual_size)

    def _create_disk(self, disk: types.Disk, plain: str, suffix: str, bases: Path, fetch: Fetch) -> None:
        path = plain + suffix
        if disk.kind in ("root", "rescue") and disk.image is not None:
            if disk.whole:
                self._create_whole(disk, path, fetch)
                return
            with self.images.hold(disk.image, fetch) as base:
                image_format.check_fits(disk.image, base.virtual_size, disk.size_mb)
                _record_base(bases, disk.image.id)
            with _in_place(path) as fresh:
                self.lay_root(disk, base, fresh)
        elif disk.kind == "root":
            with _in_place(path) as fresh:
                self.lay_root(disk, None, fresh)
        else:
            with _in_place(path) as fresh:
                Path(fresh).touch()
                os.truncate(fresh, disk.size_mb << 20)
                if disk.kind == "swap":
                    qemu_img.make_file_system(fresh, "swap", "swap")
                else:
                    label = Path(plain).name.removeprefix("disk.").replace("eph", "ephemeral")
                    qemu_img.make_file_system(fresh, disk.fs or DEFAULT_FILE_SYSTEM, label)

    def _create_whole(self, disk: types.Disk, path: str, fetch: Fetch) -> None:
        with _in_place(path) as fresh:
            found = self.images.fetch_to(disk.image, fetch, fresh)
            image_format.check_fits(disk.image, found.virtual_size, disk.size_mb)
            if found.format != self.ROOT_FORMAT:
                os.rename(fresh, fresh + "ed")
                try:
                    qemu_img.convert(fresh + "ed", fresh, self.ROOT_FORMAT, found.format)
                finally:
                    os.unlink(fresh + "ed")
            if disk.size_mb << 20 > found.virtual_size:
                qemu_img.grow(fresh, self.ROOT_FORMAT, disk.size_mb << 20)
            self.has_grown(disk, fresh)


def _owner(files: layout.ServerFiles) -> str | None:
    return _noted(files).partition("\n")[0] or None


def _noted(files: layout.ServerFiles) -> str:
    with contextlib.suppress(FileNotFoundError):
        return files.owner.read_text()
    return ""


def _nothing_to_fetch(image_id: str):
    raise exception.ImageNotFound(image_id=image_id)


def _record_base(bases: Path, image_id: str) -> None:
    known = bases.read_text().split() if bases.exists() else []
    if image_id not in known:
        with _in_place(str(bases)) as path:
            Path(path).write_text("\n".join([*known, image_id]) + "\n")


@contextlib.contextmanager
def _in_place(path: str):
    """A path to write to; it becomes ``path`` when the block succeeds and vanishes when it does not."""
    fresh = path + ".new"
    try:
        yield fresh
        # libvirt hands the file to QEMU's account when the guest starts; it is nobody else's business.
        os.chmod(fresh, 0o600)
        os.rename(fresh, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        raise


def _undo(files: layout.ServerFiles, made: list[str]) -> None:
    for path in made:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    # With a disk of an earlier call the folder stays, and so does the record of what that disk is made from.
    if not any(files.folder.glob("disk*")):
        shutil.rmtree(files.folder, ignore_errors=True)
