"""A private MariaDB server from the distribution's package. Tests and tools start it."""
import uuid

import pymysql

from tests.services.service import Service


class MariaDB(Service):
    """``with MariaDB() as server: server.fresh_database()``; ``url`` names no database."""

    user = "mysql"
    program = "mariadbd"
    durable = False
    """Whether a commit waits for the disk: for benchmarks."""

    @property
    def url(self) -> str:
        """Where clients connect: an SQLAlchemy URL."""
        return self._url("")

    def _url(self, database: str) -> str:
        return f"mysql+pymysql://nova@{self.address}:{self.port}/{database}?charset=utf8mb4"

    def prepare(self) -> None:
        self.run("mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
                 "--auth-root-authentication-method=normal")
        accounts = self.folder / "accounts.sql"
        accounts.write_text("CREATE USER IF NOT EXISTS nova@'%';\nGRANT ALL ON *.* TO nova@'%' WITH GRANT OPTION;\n")
        self.own(accounts)

    def command(self) -> list[str]:
        return ["mariadbd", "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.folder}/socket",
                f"--pid-file={self.folder}/pid", f"--bind-address={self.address}", f"--port={self.port}",
                f"--init-file={self.folder}/accounts.sql", "--skip-name-resolve", "--skip-log-bin", "--max-connections=200",
                f"--innodb-flush-log-at-trx-commit={int(self.durable)}", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
                "--character-set-server=utf8mb4", "--default-time-zone=+00:00"]

    def answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except pymysql.err.MySQLError:
            return False
        return True

    def fresh_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _execute(self, statement: str) -> None:
        connection = pymysql.connect(host=self.address, port=self.port, user="nova", connect_timeout=10)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()
