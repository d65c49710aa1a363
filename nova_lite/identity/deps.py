"""What the identity room needs, built by ``cmd/wiring.py`` and handed to every action."""
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from nova_lite.db import engine
from nova_lite.identity import catalog, passwords, tokens
from nova_lite.identity.standings import Standings


@dataclass(frozen=True)
class Deps:
    """``token_lifetime``: seconds from a login to the end of its tokens."""

    db: engine.Database
    codec: tokens.Codec
    passwords: passwords.Hasher
    catalog: catalog.Catalog
    token_lifetime: int = 3600
    standings: Standings = field(default_factory=lambda: Standings(5.0))

    @contextlib.contextmanager
    def write(self) -> Iterator:
        """A write transaction that changes what tokens stand for: this process asks anew for each of them afterwards."""
        try:
            with self.db.write() as tx:
                yield tx
        finally:
            self.standings.forget()
