"""``nova-lite-all-in-one``: a whole cloud in one process. It brings its database up to date and makes the first users by itself."""
from nova_lite import concurrency

concurrency.patch()

import sys  # noqa: E402

from nova_lite.cmd import apis, consoles, firsttime, images, networks, process, schedulers, workers  # noqa: E402
from nova_lite.cmd.wiring import Site  # noqa: E402
from nova_lite.service.daemon import Daemon  # noqa: E402


def build(here: Site) -> list[Daemon]:
    """Every daemon, in the order in which they start."""
    firsttime.prepare(here)
    fetch, keeper = images.local_fetcher(here), images.local_keeper(here)
    # Before the APIs, which tell users its port.
    proxies = [consoles.proxy(here)] if here.conf.consoleproxy.enabled else []
    return [*networks.network(here), schedulers.scheduler(here), *workers.compute(here, fetch, keeper), *proxies, apis.daemon(here)]


def main() -> int:
    """Run until a signal comes."""
    return process.run("nova-lite-all-in-one", build)


if __name__ == "__main__":
    sys.exit(main())
