"""What the identity room needs, built by ``cmd/wiring.py`` and handed to every action."""
from dataclasses import dataclass

from nova_lite.db import engine
from nova_lite.identity import catalog, passwords, tokens


@dataclass(frozen=True)
class Deps:
    """``token_lifetime``: seconds from a login to the end of its tokens."""

    db: engine.Database
    codec: tokens.Codec
    passwords: passwords.Hasher
    catalog: catalog.Catalog
    token_lifetime: int = 3600
