"""``nova-lite-network``: the network worker of this host in a distributed cloud."""
from nova_lite import concurrency

concurrency.patch()

import sys  # noqa: E402

from nova_lite.cmd import networks, process  # noqa: E402


def main() -> int:
    """Run until a signal comes."""
    return process.run("nova-lite-network", networks.network)


if __name__ == "__main__":
    sys.exit(main())
