"""A private PostgreSQL cluster from the distribution's package. Tests and tools start it."""
import signal
import uuid

import psycopg

from tests.services.service import Service


class PostgreSQL(Service):
    """``with PostgreSQL() as server: server.fresh_database()``; ``url`` is the database ``postgres``."""

    user = "postgres"
    durable = False
    """Whether a commit waits for the disk: for benchmarks."""
    program = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions of clients that are still there

    @property
    def url(self) -> str:
        """Where clients connect: an SQLAlchemy URL."""
        return self._url("postgres")

    def _url(self, database: str) -> str:
        return f"postgresql://nova@{self.address}:{self.port}/{database}"

    def prepare(self) -> None:
        self.run("initdb", "--pgdata", str(self.folder / "data"), "--username", "nova", "--auth", "trust", "--no-sync",
                 "--encoding", "UTF8", "--locale", "C.UTF-8")
        if self.address != "127.0.0.1":
            with open(self.folder / "data" / "pg_hba.conf", "a") as rules:
                rules.write("host all all 0.0.0.0/0 trust\n")

    def command(self) -> list[str]:
        settings = {"listen_addresses": self.address, "port": self.port, "unix_socket_directories": self.folder,
                    **dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "on" if self.durable else "off"), "max_connections": 200,
                    "shared_buffers": "32MB", "log_min_messages": "warning", "timezone": "UTC"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ["postgres", "-D", str(self.folder / "data"), *options]

    def answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def fresh_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(f"postgresql://nova@{self.address}:{self.port}/postgres", autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)
