"""Asking the worker of another host something, for no longer than that host reports: who is known to be down keeps nobody waiting."""
from nova_lite import clock, concurrency, exception, log
from nova_lite.compute.worker.job import Workshop
from nova_lite.db import hosts as hosts_
from nova_lite.db import hypervisors

LOG = log.get(__name__)
LOOK_SECONDS = 2.0


def is_up(shop: Workshop, host: str) -> bool:
    """Whether a host's compute worker reports; while the database cannot say, it may."""
    try:
        with shop.db.read() as tx:
            return hosts_.is_host_up(tx, host, hypervisors.moment(tx), shop.down_time)
    except exception.Unavailable:
        return True


def ask(shop: Workshop, ctx, host: str, method: str, **given):
    """The answer of ``method`` of interfaces.live on ``host``. Raises what that raises, and RpcTimeout as soon as the host is down."""
    answer = concurrency.Event()
    result = []

    def call() -> None:
        try:
            result.append((getattr(shop.peers, method)(ctx, host, **given), None))
        except exception.NovaLiteError as error:
            result.append((None, error))
        finally:
            answer.set()
    began = clock.monotonic()
    if not is_up(shop, host):
        raise exception.RpcTimeout(topic=f"{host}, which is down,", method=method, timeout=0)
    task = concurrency.spawn(call)
    try:
        while not answer.wait(LOOK_SECONDS):
            if not is_up(shop, host):
                raise exception.RpcTimeout(topic=f"{host}, which went down,", method=method, timeout=round(clock.monotonic() - began))
    finally:
        if not task.done:
            task.cancel()
    value, error = result[0]
    if error is not None:
        raise error
    return value
