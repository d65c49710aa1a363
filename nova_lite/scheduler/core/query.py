"""Query: one request laid against one table: what a filter or weigher is given, with the columns that exist only for this request."""
import numpy as np

from nova_lite.scheduler.core.request import Options, Request
from nova_lite.scheduler.core.table import HostTable


class Query:
    """``now``: seconds since 1970. ``group_count``: servers of the request's group on each row, or None without a group.

    ``failed``: rows that a filter could not judge, by its name.
    """

    __slots__ = ("table", "request", "options", "now", "group_count", "failed")

    def __init__(self, table: HostTable, request: Request, options: Options, now: float):
        self.table = table
        self.request = request
        self.options = options
        self.now = now
        self.failed: dict[str, set[int]] = {}
        self.group_count = self.counts(request.group.hosts) if request.group is not None else None

    def counts(self, by_host) -> np.ndarray:
        """A column from ``{host name: number}``; names that the table does not know are left out."""
        column = np.zeros(self.table.size)
        for name, count in by_host.items():
            row = self.table.rows.get(name)
            if row is not None:
                column[row] = count
        return column

    def place(self, row: int) -> None:
        """Count a server of this request on a row, in the table and in the request's own columns."""
        request = self.request
        self.table.consume(row, request.vcpus, request.memory_mb, request.disk_gb)
        self.table.demand[request.vcpus, request.memory_mb] += 1
        self.table.likeness.consume(row, self.table.names[row], request.image, 1)
        if request.extras is not None:
            self.table.holdings.consume(row, self.table.names[row], request.extras, 1)
        if self.group_count is not None:
            self.group_count[row] += 1
