"""What the network actions and the Network API's handlers need, made once by the wiring."""
import dataclasses
import logging
from collections.abc import Callable, Iterable

from nova_lite import exception
from nova_lite.db import networks as db_networks
from nova_lite.db import quotas as db_quotas
from nova_lite.db.engine import Database
from nova_lite.network import errors

LOG = logging.getLogger(__name__)
QUOTA_SCOPE = "network:"
"""Before a project's id: where limits of this room are kept apart from those of the compute room, which has some of the same names."""


@dataclasses.dataclass(frozen=True)
class Deps:
    """``ring(host, network_ids)`` tells a host's network worker to refresh. ``quotas``: resource → default limit, -1 is none.

    ``mtu``: bytes that fit into a tunnel, the MTU of new networks and the most that one can have.
    """

    db: Database
    ring: Callable[[str, list[str]], None]
    quotas: dict[str, int]
    mtu: int = 1450
    max_limit: int = 1000

    def tell(self, hosts: Iterable[str], network_id: str) -> None:
        """Ring hosts after the commit. A bell that is lost is made up for by the workers' own sweep."""
        for host in hosts:
            try:
                self.ring(host, [network_id])
            except exception.NovaLiteError as error:
                LOG.warning("host %s was not told of a change of network %s: %s", host, network_id, error)

    def limits(self, tx, project_id: str) -> dict[str, int]:
        """The project's limits by resource."""
        scope = QUOTA_SCOPE + project_id
        return {**self.quotas, **db_quotas.list_limits(tx, [scope])[scope]}

    def check_quota(self, tx, project_id: str, resource: str, model, more: int = 1) -> None:
        """Raises OverQuota when the project cannot have ``more`` of the resource (``networks``, ``subnets``, ``ports``)."""
        limit = self.limits(tx, project_id).get(resource, -1)
        if limit >= 0 and db_networks.count(tx, model, project_id) + more > limit:
            raise errors.OverQuota(resource=resource.rstrip("s"))
