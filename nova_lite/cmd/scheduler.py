"""``nova-lite-scheduler``: a scheduler of a distributed cloud; any number of them run side by side."""
from nova_lite import concurrency

concurrency.patch()

import sys  # noqa: E402

from nova_lite.cmd import process, schedulers  # noqa: E402


def main() -> int:
    """Run until a signal comes."""
    return process.run("nova-lite-scheduler", lambda here: [schedulers.scheduler(here)])


if __name__ == "__main__":
    sys.exit(main())
