"""Named points in the code where a test can make this very process die or wait: how "kill -9 in the middle" is tested at the middle.

``NOVA_LITE_HOOKS`` names what happens: ``point=kill``, ``point=stop`` (until SIGCONT), ``point=wait:SECONDS`` or ``point=fail:TIMES`` (as if the
hypervisor had failed), several with commas, each once a process. Unset, nothing does.
"""
import os
import signal

from nova_lite import concurrency, exception

_armed = dict(item.split("=", 1) for item in os.environ.get("NOVA_LITE_HOOKS", "").split(",") if "=" in item)


def reached(point: str) -> None:
    """The code is at ``point``. Points: grep for calls of this function. Raises HypervisorError where a test wants that."""
    if not _armed or point not in _armed:
        return
    action, _, argument = _armed.pop(point).partition(":")
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "wait":
        concurrency.sleep(float(argument))
    elif action == "fail":
        if int(argument) > 1:
            _armed[point] = f"fail:{int(argument) - 1}"
        raise exception.HypervisorError(reason=f"a test wanted it to, at {point}")
