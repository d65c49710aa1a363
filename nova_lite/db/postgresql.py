"""PostgreSQL's driver made cooperative: a psycopg connection that waits for the server as green threads wait. ``db.engine`` connects with it."""
import psycopg
from psycopg import waiting


class Connection(psycopg.Connection):
    """A connection whose queries let other green threads run.

    psycopg's own wait is in C, where eventlet cannot see it; ``select`` is the one of Python's ways to wait that costs least.
    """

    def wait(self, gen, interval: float = 0.1):
        """Run one of psycopg's generators to its end; ``interval``: seconds between looks for signals."""
        return waiting.wait_select(gen, self.pgconn.socket, interval)
