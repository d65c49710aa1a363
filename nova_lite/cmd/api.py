"""``nova-lite-api``: all APIs of a distributed cloud on one port; any number of them run side by side behind a load balancer."""
from nova_lite import concurrency

concurrency.patch()

import sys  # noqa: E402

from nova_lite.cmd import apis, process  # noqa: E402


def main() -> int:
    """Run until a signal comes."""
    return process.run("nova-lite-api", lambda here: [apis.daemon(here)])


if __name__ == "__main__":
    sys.exit(main())
