"""The part of the driver contract that takes a guest from one host to another; ``Driver.moves()`` gives it where the driver can.

Every method keeps the rules of ``virt.driver``: may be repeated, blocks only the caller.
"""
from nova_lite import exception
from nova_lite.virt.copies import Copies
from nova_lite.virt.live import Live


class Moves:
    """How a hypervisor's guests move. Loaded with its driver."""

    def reaches(self, server_id: str) -> bool:
        """Whether the files of a server are here, be it those of another host, on storage that both share."""
        return False

    def unfinished(self) -> dict[str, list[str]]:
        """By server the files of this host's that a change made ready, put aside or received in part, and that wait for its end."""
        return {}

    def keep(self, server_id: str) -> None:
        """Files that other hosts see too are this one's from now on: no other one removes them."""

    def borrow(self, server_id: str, host: str) -> None:
        """As ``keep``, and until that is called removing them here gives them back to ``host``: nobody has written yet that the server is here."""

    def live(self) -> Live:
        """How they move while they run. Raises HypervisorError where they cannot."""
        raise exception.HypervisorError(reason="guests of this host cannot move while they run")

    def copies(self) -> Copies:
        """How their disks move while they are off. Raises HypervisorError where they cannot."""
        raise exception.HypervisorError(reason="disks of this host cannot be copied to another")
