"""What the network worker is told by the configuration, as plain values."""
import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """``driver``: linux or none; ``my_ip``: this host's end of tunnels; ``state_path``: below it lies ``networks/<network id>/``."""

    state_path: str
    my_ip: str = "127.0.0.1"
    driver: str = "linux"
    vxlan_port: int = 4789
    dns_domain: str = "novalocal"
    dns_servers: tuple[str, ...] = ()

    @classmethod
    def from_conf(cls, conf) -> "NetworkSettings":
        """From the options of nova_lite.config."""
        return cls(state_path=conf.state_path, my_ip=conf.my_ip, driver=conf.network.driver, vxlan_port=conf.network.vxlan_port,
                   dns_domain=conf.network.dns_domain, dns_servers=tuple(conf.network.dns_servers))

    @property
    def folder(self) -> str:
        """Where the networks of this host have their folders."""
        return os.path.join(self.state_path, "networks")

    def folder_of(self, network_id: str) -> str:
        """The folder of one network: it is made before the first device and removed after the last."""
        return os.path.join(self.folder, network_id)
