"""``nova-lite-consoleproxy``: serves consoles of a distributed cloud to browsers; any number of them run side by side."""
from nova_lite import concurrency

concurrency.patch()

import sys  # noqa: E402

from nova_lite.cmd import consoles, process  # noqa: E402


def main() -> int:
    """Run until a signal comes."""
    return process.run("nova-lite-consoleproxy", lambda here: [consoles.proxy(here)])


if __name__ == "__main__":
    sys.exit(main())
