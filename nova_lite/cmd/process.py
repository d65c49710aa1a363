"""One process: options, log, daemons, and an orderly end on SIGTERM or SIGINT."""
import contextlib
import ctypes
import gc
import signal
import sys
from collections.abc import Callable

from nova_lite import concurrency, config, exception, log
from nova_lite.cmd import wiring
from nova_lite.service.daemon import Daemon

LOG = log.get(__name__)
SUPERSEDED = 3
"""Exit status of a daemon that was started anew elsewhere."""


def _keep_heap_small() -> None:
    """Have the C library give freed memory back: password hashes pass through large blocks, native threads keep arenas of their own."""
    libc = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):
        # M_TRIM_THRESHOLD, M_ARENA_MAX of glibc's malloc.h; other C libraries lack mallopt.
        libc.mallopt(-1, 64 << 10)
        libc.mallopt(-8, 2)


def run(prog: str, build: Callable[[wiring.Site], list[Daemon]], argv: list[str] | None = None) -> int:
    """Build the daemons and run them until a signal comes; the exit status. A mistake in the options is said in one line, status 2."""
    _keep_heap_small()
    try:
        conf = config.load(sys.argv[1:] if argv is None else argv, prog=prog)
        log.setup(conf.debug, conf.log_file)
        here = wiring.site(conf, lambda: concurrency.exit_process(SUPERSEDED))
        daemons = build(here)
    except exception.ConfigurationError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    except exception.DatabaseUnavailable as error:
        print(f"{prog}: {error} ({error.__cause__})", file=sys.stderr)
        return 2
    try:
        for daemon in daemons:
            daemon.start()
        # What is there now stays: the collector need not look at it again, nor run during every long list.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        number = concurrency.wait_for_signal((signal.SIGTERM, signal.SIGINT))
        LOG.info("%s ends on %s", prog, signal.Signals(number).name)
    except exception.ConfigurationError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    finally:
        for daemon in reversed(daemons):
            daemon.stop()
        here.transport.close()
        here.db.close()
    return 0
