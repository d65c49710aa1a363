"""db.models: one model an entity; importing this package registers all of them on ``Base.metadata``."""
from nova_lite.db.models.base import Base
from nova_lite.db.models.compute import (  # noqa: F401
    Aggregate,
    AggregateHost,
    Allocation,
    Flavor,
    FlavorAccess,
    Host,
    KeyPair,
    QuotaLimit,
    QuotaUsage,
    Server,
    ServerAction,
    ServerFault,
    ServerGroup,
    ServerTag,
    Service,
)
from nova_lite.db.models.identity import *  # noqa: F403
from nova_lite.db.models.image import *  # noqa: F403
from nova_lite.db.models.moves import Move  # noqa: F401
from nova_lite.db.models.network import *  # noqa: F403

__all__ = ["Base"]
