"""A private RabbitMQ node from the distribution's package: own port, own epmd, no plugins. Tests and tools start it."""
import signal
import socket
import subprocess
import uuid

from tests.services.service import Service, free_port


class RabbitMQ(Service):
    """``with RabbitMQ() as broker: broker.url`` is ``amqp://guest:guest@address:port//``."""

    user = "rabbitmq"
    program = "rabbitmq-server"

    @property
    def url(self) -> str:
        """Where clients connect: a kombu URL."""
        return f"amqp://guest:guest@{self.address}:{self.port}//"

    def prepare(self) -> None:
        self._epmd: subprocess.Popen | None = None
        self._node = f"nl{uuid.uuid4().hex[:12]}@localhost"
        self._distribution_port, self._epmd_port = free_port(), free_port()
        for name, text in (("enabled_plugins", "[].\n"), ("rabbitmq-env.conf", ""), ("rabbitmq.conf", self._settings())):
            path = self.folder / name
            path.write_text(text)
            self.own(path)

    def _settings(self) -> str:
        return ("loopback_users = none\n"
                f"listeners.tcp.1 = {self.address}:{self.port}\n"
                "log.file = false\nlog.console = true\nlog.console.level = warning\n"
                "disk_free_limit.absolute = 1MB\n")

    def environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "RABBITMQ_NODENAME": self._node, "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_EPMD_PORT": str(self._epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia", "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq", "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            # The server script then replaces itself by the Erlang machine: the process started here is the broker.
            "RABBITMQ_ALLOW_INPUT": "1", "RABBITMQ_SERVER_START_ARGS": "-noinput",
            # Its own epmd is started below; idle schedulers shall not spin on a small machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def command(self) -> list[str]:
        return ["rabbitmq-server"]

    def answers(self) -> bool:
        with socket.create_connection((self.address, self.port), 2) as client:
            client.settimeout(5)
            client.sendall(b"AMQP\x00\x00\x09\x01")
            return client.recv(1) == b"\x01"

    def start(self) -> None:
        if self._epmd is None:
            self._epmd = self.spawn(["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"])
        super().start()

    def close(self) -> None:
        super().close()
        if getattr(self, "_epmd", None) is not None:
            self._epmd.send_signal(signal.SIGKILL)
            self._epmd.wait()
            self._epmd = None
