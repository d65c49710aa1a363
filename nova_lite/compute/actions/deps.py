"""What the compute actions and the Compute API's handlers need, made once by the wiring."""
import dataclasses
import logging
from typing import Any

from nova_lite import exception
from nova_lite.db.engine import Database
from nova_lite.pci.aliases import Alias

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Deps:
    """``scheduler``, ``compute``, ``network``: RPC clients. ``quota_defaults``: resource → limit, -1 unlimited. Times in seconds."""

    db: Database
    scheduler: Any
    compute: Any
    network: Any
    quota_defaults: dict[str, int]
    default_availability_zone: str = "nova"
    default_schedule_zone: str | None = None
    service_down_time: float = 60.0
    max_limit: int = 1000
    allow_resize_to_same_host: bool = True
    images: Any = None
    """What the image room needs (image.deps.Deps), for clients that look for images here."""
    reclaim_interval: float = 0.0
    """How long deleted servers can be restored; 0: not at all."""
    pci_aliases: dict[str, Alias] = dataclasses.field(default_factory=dict)
    consoles: Any = None
    """A compute.console_access.ConsoleAccess; None where no handler of this process opens consoles."""


def ring(method, *args, **kwargs) -> None:
    """Send a doorbell. The work is in the database already, so a broker that is away only delays it until the next sweep."""
    try:
        method(*args, **kwargs)
    except exception.RpcUnavailable as error:
        LOG.warning("a doorbell was lost, the sweep will find the work: %s", error)
