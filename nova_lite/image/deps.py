"""What the image room needs, built by ``cmd/wiring.py`` and handed to every action."""
from dataclasses import dataclass

from nova_lite.db import engine
from nova_lite.image import store


@dataclass(frozen=True)
class Deps:
    """``max_size``: largest image in bytes. ``max_limit``: most images on one page."""

    db: engine.Database
    store: store.Store
    max_size: int = 1 << 40
    max_limit: int = 1000
