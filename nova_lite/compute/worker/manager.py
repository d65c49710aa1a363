"""The compute worker of one host: takes the bells, runs at most one task a server, and lets a newer task interrupt the older."""
import contextlib
import dataclasses

from nova_lite import clock, concurrency, exception, log
from nova_lite.compute import states, task
from nova_lite.compute.worker import (
    build,
    cold_move,
    delete,
    evacuate,
    interfaces,
    live_migration,
    lost_moves,
    power,
    put_back,
    rebuild,
    resize,
    shelve,
    snapshot,
)
from nova_lite.compute.worker.console import ConsoleRelay
from nova_lite.compute.worker.fence import fenced
from nova_lite.compute.worker.job import Handler, Job, Workshop
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_

LOG = log.get(__name__)

HANDLERS: dict[str, Handler] = {
    "create": build.build,
    "reboot": power.reboot,
    "reboot_hard": power.reboot_hard,
    "start": power.start,
    "stop": power.stop,
    "rebuild": rebuild.rebuild,
    "evacuate": evacuate.evacuate,
    "rescue": rebuild.rescue,
    "unrescue": rebuild.unrescue,
    "snapshot": snapshot.snapshot,
    "backup": snapshot.backup,
    "attach_interface": interfaces.attach,
    "detach_interface": interfaces.detach,
    "change_password": power.change_password,
    "resize": resize.resize,
    "migrate": resize.resize,
    "confirm_resize": resize.confirm,
    "revert_resize": resize.revert,
    "live_migrate": live_migration.live_migrate,
    "pause": power.pause,
    "unpause": power.unpause,
    "suspend": power.suspend,
    "resume": power.resume,
    "trigger_crash_dump": power.trigger_crash_dump,
    "shelve": shelve.shelve,
    "shelve_offload": shelve.offload,
    "unshelve": shelve.unshelve,
    "soft_delete": delete.soft_delete,
    "restore": delete.restore,
    "delete": delete.delete,
}
"""Who carries out which action of compute.states."""
UNDOERS: dict[str, Handler] = {"resize": cold_move.stay, "migrate": cold_move.stay, "revert_resize": cold_move.remain}
"""Who puts back, on the server's own host, what was before a move that failed elsewhere."""
EVENTS = {**{action: f"compute_{action}_instance" for action in HANDLERS}, "reboot_hard": "compute_reboot_instance",
          "trigger_crash_dump": "compute_trigger_crash_dump", "attach_interface": "compute_attach_interface",
          "live_migrate": live_migration.EVENT,
          "detach_interface": "compute_detach_interface", "change_password": "compute_set_admin_password", "evacuate": evacuate.EVENT}
"""The event that the end of an action is recorded as; names are upstream's."""


BELL_AGE = 3.0
"""Seconds that a task's own bell has before the sweep takes it for lost."""


@dataclasses.dataclass
class _Running:
    token: str
    task: concurrency.Task | None
    ended: concurrency.Event


class ComputeWorker:
    """Endpoint of ComputeInterface. ``max_builds``: guests built at once, 0 without limit."""

    def __init__(self, shop: Workshop, epoch: int, max_builds: int = 10, consoles: ConsoleRelay | None = None):
        self.shop, self.epoch = shop, epoch
        self._consoles = consoles or ConsoleRelay(shop.driver)
        self._running: dict[str, _Running] = {}
        self._builds = concurrency.Semaphore(max_builds) if max_builds else None

    # ---- the interface ---------------------------------------------------------------------------------------------------
    def build_server(self, ctx: RequestContext, *, server_id: str, token: str, alternates: list = ()) -> None:
        """See interfaces.compute."""
        self.run(ctx, server_id, token, alternates=tuple(alternates))

    def run_task(self, ctx: RequestContext, *, server_id: str, token: str) -> None:
        """See interfaces.compute."""
        self.run(ctx, server_id, token)

    def finish_task(self, ctx: RequestContext, *, server_id: str, token: str) -> None:
        """See interfaces.compute."""
        self.run(ctx, server_id, token)

    def change_password(self, ctx: RequestContext, *, server_id: str, token: str, password: str) -> None:
        """See interfaces.compute."""
        self.run(ctx, server_id, token, secret=password)

    def get_console_output(self, ctx: RequestContext, *, server_id: str, max_bytes: int) -> str:
        """See interfaces.compute. Raises GuestNotFound."""
        return self.shop.driver.console_output(server_id, max_bytes).decode("utf-8", "replace")

    def get_console(self, ctx: RequestContext, *, server_id: str, kind: str) -> dict:
        """See interfaces.compute. Raises GuestNotFound, ConsoleTypeUnavailable."""
        return self._consoles.offer(server_id, kind)

    def get_diagnostics(self, ctx: RequestContext, *, server_id: str) -> dict:
        """See interfaces.compute. Raises GuestNotFound."""
        return dataclasses.asdict(self.shop.driver.diagnostics(server_id))

    def ping(self, ctx: RequestContext) -> dict:
        """See interfaces.compute."""
        return {"host": self.shop.host, "epoch": self.epoch}

    def get_host_uptime(self, ctx: RequestContext) -> str:
        """See interfaces.compute."""
        done = concurrency.subprocess.run(["uptime"], stdout=concurrency.subprocess.PIPE, text=True, check=False)
        return done.stdout.strip()

    # ---- tasks -----------------------------------------------------------------------------------------------------------
    def is_busy(self, server_id: str) -> bool:
        """Whether a task of the server runs here now."""
        return server_id in self._running

    def run(self, ctx: RequestContext, server_id: str, token: str, alternates: tuple[str, ...] = (), again: bool = False,
            secret: str | None = None) -> None:
        """Carry out the task if ``token`` is still the server's and it does not run already; returns when it has ended.

        Raises Conflict where that is the task's answer to whoever waits for it.
        """
        present = self._running.get(server_id)
        if present is not None and present.token != token and self._mine(server_id, token)[0] is None:
            # A bell that comes late interrupts nothing.
            return
        if not self._interrupt(server_id, token):
            return
        mine = self._running[server_id] = _Running(token, None, concurrency.Event())
        refused = None
        try:
            # Read once nobody else here works on it: a task that has just ended must not begin again on a server that is whole.
            asked_at = clock.monotonic()
            server, failures = self._mine(server_id, token)
            if server is not None:
                shop = fenced(self.shop, self.epoch, server_id, token, proven_at=asked_at)
                job = Job(shop, ctx, server, token, clock.now(), alternates, again, secret, self.epoch, failures)
                mine.task = concurrency.spawn(self._carry_out, job)
                refused = mine.task.wait()
        finally:
            if self._running.get(server_id) is mine:
                del self._running[server_id]
            mine.ended.set()
        if refused is not None:
            raise refused

    def _mine(self, server_id: str, token: str) -> tuple:
        """The server if the task is for this worker, and the builds that failed here; (None, 0) if not."""
        with self.shop.db.read() as tx:
            server, epoch, failures = servers_.with_task_at(tx, server_id, token, self.shop.host)
        if server is None or servers_.runs_at(server) != self.shop.host:
            LOG.debug("task %s of server %s is not (any more) for this host", token, server_id)
            return None, 0
        if epoch != self.epoch:
            LOG.warning("this worker was replaced by a newer one; it leaves task %s of server %s alone", token, server_id)
            return None, 0
        return server, failures

    def _interrupt(self, server_id: str, token: str) -> bool:
        """Cancel the server's older task. False, once it has ended, when it is this very one: rung twice, or found by the sweep as well."""
        while (present := self._running.get(server_id)) is not None:
            if present.token == token:
                present.ended.wait()
                return False
            LOG.info("a newer task interrupts the one that server %s has", server_id)
            if present.task is not None:
                present.task.cancel()
            present.ended.wait()
        return True

    def _carry_out(self, job: Job) -> exception.Conflict | None:
        log.set_request_id(job.ctx.request_id)
        action = job.server.task_action
        handler = UNDOERS[action] if "undo" in (job.server.task_detail or {}) else HANDLERS[action]
        try:
            if action not in ("delete", "soft_delete"):
                if action not in ("live_migrate", "evacuate"):
                    lost_moves.refuse(job)
                job = put_back.before(job)
            if action == "create" and self._builds is not None:
                with self._builds:
                    changes = handler(job)
            else:
                changes = handler(job)
            if changes is not None:
                with self.shop.db.write() as tx:
                    task.finish(tx, job.server, job.token, self.shop.host, job.started, EVENTS[action], **changes)
        except exception.TaskLost as error:
            LOG.info("%s; what this worker did of it is undone", error)
            with contextlib.suppress(exception.NovaLiteError):
                put_back.forget(self.shop, job.server.id, None)
        except concurrency.Cancelled:
            LOG.info("the %s of server %s was interrupted", action, job.server.id)
        except exception.Unavailable:
            # The database or the broker is away: the task stays, and the sweep runs it again.
            LOG.exception("the %s of server %s waits for the sweep", action, job.server.id)
        except Exception as error:
            LOG.exception("the %s of server %s failed", action, job.server.id)
            self._fail(job, error)
            return error if isinstance(error, exception.Conflict) and job.secret is not None else None
        return None

    def _fail(self, job: Job, error: Exception) -> None:
        action = job.server.task_action
        try:
            with self.shop.db.write() as tx:
                task.fail(tx, job.server, job.token, error, self.shop.host, job.started, EVENTS.get(action))
        except exception.NovaLiteError as lost:
            LOG.warning("the failure of server %s's %s could not be recorded: %s", job.server.id, action, lost)

    def sweep(self, starting: bool = False) -> None:
        """Run the tasks of this host's servers that nobody runs: at the start those of the worker before, later those whose bell was lost.

        At the start each gets a fresh token first, so that a worker before that is not quite dead can no longer end it.
        """
        with self.shop.db.read() as tx:
            found = servers_.tasks_of_host(tx, self.shop.host)
        young = clock.now() - clock.seconds(BELL_AGE)
        for server in found:
            if server.id in self._running or server.task_state == states.SCHEDULING or (not starting and server.task_started_at > young):
                continue
            token = server.task_id
            if starting:
                try:
                    with self.shop.db.write() as tx:
                        token = task.take_over(tx, server, token)
                except exception.TaskLost:
                    continue
            ctx = dataclasses.replace(RequestContext.for_service(), request_id=server.task_request_id or "-")
            concurrency.spawn_logged(self._recover, ctx, server, token, starting)

    def _recover(self, ctx: RequestContext, server, token: str, starting: bool) -> None:
        row = states.ACTIONS[server.task_action]
        if starting and row.orphan == "fail":
            with self.shop.db.write() as tx:
                task.fail(tx, server, token, "The worker ended while it carried out the request.", self.shop.host)
            return
        self.run(ctx, server.id, token, again=starting or server.task_action == "create")
