"""What may be asked of the compute worker of one host."""
from nova_lite.rpc.interface import Interface, call, cast


class ComputeInterface(Interface):
    """Topic ``compute``, one queue a host. ``token``: the task's; a worker whose token is no longer current does nothing."""

    topic = "compute"
    per_host = True

    @cast
    def build_server(self, ctx, *, server_id: str, token: str, alternates: list = ()):
        """Make and start the guest of a server claimed on this host. ``alternates``: names of hosts to try after this one."""

    @cast
    def run_task(self, ctx, *, server_id: str, token: str):
        """Carry out the server's present task (its ``task_action``): reboot, start, stop, delete and all others but build."""

    @call(timeout=120)
    def finish_task(self, ctx, *, server_id: str, token: str):
        """As run_task, and answers when the task has ended, well or not."""

    @call(timeout=60)
    def change_password(self, ctx, *, server_id: str, token: str, password: str):
        """Carry out the task of that name. The password is in no database: without this message the task fails. Raises GuestAgentMissing."""

    @call(timeout=30)
    def get_console_output(self, ctx, *, server_id: str, max_bytes: int):
        """The end of the serial console's log as text."""

    @call(timeout=30)
    def get_console(self, ctx, *, server_id: str, kind: str):
        """Where a console (vnc, spice, serial) of a running guest can be reached, and the guest's ``run``, which each start changes.

        ``host``, ``port``, and ``internal_access_path``, which an HTTP CONNECT there must name: for one connection within a minute.
        Raises GuestNotFound, ConsoleTypeUnavailable.
        """

    @call(timeout=30)
    def get_diagnostics(self, ctx, *, server_id: str):
        """What the guest has used, a virt.types.Diagnostics as a dict."""

    @call(timeout=30)
    def ping(self, ctx):
        """Answers the host's name and epoch."""

    @call(timeout=10)
    def get_host_uptime(self, ctx):
        """What ``uptime`` says on the host, as one line of text."""
