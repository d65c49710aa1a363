#!/usr/bin/env python3
"""Runs an executable of nova_lite, and writes down each SQL statement that it sends: one JSON line with who asked for it and its text.

    python tools/tell_statements.py FILE all_in_one --config-file nova-lite.conf
"""
from nova_lite import concurrency

concurrency.patch()

import json  # noqa: E402
import runpy  # noqa: E402
import sys  # noqa: E402

import sqlalchemy as sa  # noqa: E402


def asker() -> str:
    """The function that the statement is for: the nearest on the stack that is no part of the database's room."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if "/nova_lite/" in path and "/nova_lite/db/" not in path:
            return f"{path.rpartition('/nova_lite/')[2].removesuffix('.py')}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "-"


def main() -> None:
    """Listen to every engine that the executable makes, then become it."""
    path, module, *arguments = sys.argv[1:]
    told = open(path, "a", buffering=1, encoding="utf-8")

    def tell(_connection, _cursor, statement, *_more) -> None:
        if not statement.startswith("BEGIN"):
            told.write(json.dumps({"asker": asker(), "text": " ".join(statement.split())}) + "\n")
    sa.event.listen(sa.Engine, "before_cursor_execute", tell)
    sys.argv = [f"nova_lite.cmd.{module}", *arguments]
    runpy.run_module(f"nova_lite.cmd.{module}", run_name="__main__")


if __name__ == "__main__":
    main()
