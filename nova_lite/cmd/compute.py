"""``nova-lite-compute``: the compute worker of this host in a distributed cloud."""
from nova_lite import concurrency

concurrency.patch()

import sys  # noqa: E402

from nova_lite.cmd import images, process, workers  # noqa: E402


def main() -> int:
    """Run until a signal comes."""
    return process.run("nova-lite-compute", lambda here: workers.compute(here, images.remote_fetcher(here), images.remote_keeper(here)))


if __name__ == "__main__":
    sys.exit(main())
