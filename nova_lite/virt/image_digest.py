"""Checks an image's bytes against its record as they stream by. Pure; used by every driver."""
import hashlib

from nova_lite.virt import types
from nova_lite.virt.image_format import unusable


class Digest:
    """Feed each chunk to ``update`` in order, then call ``verify``. Hashing lets other native threads run."""

    def __init__(self, image: types.ImageSource):
        self._image = image
        self.size = 0
        self._hashes = []
        if image.os_hash_algo and image.os_hash_value:
            if image.os_hash_algo not in hashlib.algorithms_available:
                raise unusable(image, f"its hash algorithm {image.os_hash_algo} is not known")
            self._hashes.append((hashlib.new(image.os_hash_algo), image.os_hash_value))
        elif image.checksum:
            self._hashes.append((hashlib.md5(usedforsecurity=False), image.checksum))

    def update(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ImageUnusable as soon as there are more than the record says."""
        self.size += len(chunk)
        if self._image.size and self.size > self._image.size:
            raise unusable(self._image, f"it has more than the {self._image.size} bytes of its record")
        for digest, _ in self._hashes:
            digest.update(chunk)

    def verify(self) -> None:
        """Raise ImageUnusable unless size and checksum are those of the record."""
        if self._image.size and self.size != self._image.size:
            raise unusable(self._image, f"{self.size} of its {self._image.size} bytes arrived")
        for digest, expected in self._hashes:
            if digest.hexdigest() != expected.lower():
                raise unusable(self._image, f"its {digest.name} is {digest.hexdigest()}, its record says {expected}")
