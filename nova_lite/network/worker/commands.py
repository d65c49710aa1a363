"""Running ``ip``, ``bridge`` and ``dnsmasq``: many commands in one process, errors in the words of the program."""
import logging
import os
from collections.abc import Sequence

from nova_lite import concurrency, exception

LOG = logging.getLogger(__name__)
TIMEOUT = 30.0


class CommandFailed(exception.NovaLiteError):
    """A program of the system refused; the text has the command and what it said."""
    message = "{command} failed: {reason}"


def run(argv: Sequence[str], text: str | None = None) -> str:
    """Run a program with ``text`` as its input; its output. Raises CommandFailed."""
    LOG.debug("%s%s", " ".join(argv), f" << {text!r}" if text else "")
    # A file, not a pipe: a program that ends before it has read all cannot keep the writer waiting.
    with open(os.memfd_create("input"), "w+b") as given:
        given.write((text or "").encode())
        given.seek(0)
        done = _run(list(argv), given)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise CommandFailed(command=" ".join(argv), reason=f"{reason}{' on input: ' + text if text else ''}")
    return done.stdout.decode(errors="replace")


def _run(argv: list[str], given):
    pipe = concurrency.subprocess.PIPE
    try:
        return concurrency.subprocess.run(argv, stdin=given, stdout=pipe, stderr=pipe, timeout=TIMEOUT)
    except (OSError, concurrency.subprocess.TimeoutExpired) as error:
        raise CommandFailed(command=" ".join(argv), reason=str(error)) from error


def batch(program: Sequence[str], lines: Sequence[str]) -> None:
    """Run all lines in one ``ip`` or ``bridge``; stops at the first that fails. Raises CommandFailed."""
    if lines:
        run([*program, "-batch", "-"], "\n".join(lines) + "\n")
