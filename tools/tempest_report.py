"""Prints what a Tempest run brought: counts, and each failure and kind of skip or exclusion with its reason. Reads a subunit v2 stream on
standard input; its arguments are the file of exclusions and the names of the tests before these were left out. tools/tempest.sh runs it with
the Python of Tempest's own virtualenv. Exit status: 0 all well, 1 failures, 2 nothing passed.
"""
import collections
import pathlib
import re
import sys

import subunit
import testtools

FIXTURES = ("setUpClass", "tearDownClass", "setUpModule", "process-returncode")


def read(stream) -> list[dict]:
    """One dictionary a test: id, status, details."""
    found = []
    result = testtools.StreamToDict(found.append)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(stream, non_subunit_name="output").run(result)
    result.stopTestRun()
    return [test for test in found if test["id"] != "output" and test["status"] != "exists"]


def reason(test: dict) -> str:
    """The skip's reason, or the last line of the traceback that says something."""
    texts = {name: detail.as_text() for name, detail in test["details"].items() if name == "reason" or name.startswith("traceback")}
    if "reason" in texts:
        return texts["reason"].strip()
    lines = [line for line in "\n".join(texts.values()).splitlines() if line.strip()]
    own = [number for number, line in enumerate(lines) if line and not line.startswith((" ", "\t", "Traceback"))]
    return " ".join(line.strip() for line in lines[own[-1]:])[:400] if own else "no reason given"


def short(test: dict) -> str:
    return test["id"].split("[")[0]


def exclusions(path: str) -> list[tuple[re.Pattern, str]]:
    """The rows of a file of exclusions: what they match, and why."""
    rows = [line.partition("#") for line in pathlib.Path(path).read_text().splitlines()]
    return [(re.compile(pattern.strip()), why.strip()) for pattern, _, why in rows if pattern.strip()]


def excluded(path: str, names: list[str]) -> collections.Counter:
    """How many of the names each reason leaves out."""
    rows = exclusions(path)
    found = (next((why for pattern, why in rows if pattern.search(name)), None) for name in names)
    return collections.Counter(why for why in found if why is not None)


def main(exclusion_file: str, asked_file: str) -> int:
    tests = read(sys.stdin.buffer)
    left_out = excluded(exclusion_file, pathlib.Path(asked_file).read_text().splitlines())
    failed = [test for test in tests if test["status"] == "fail"]
    skipped = [test for test in tests if test["status"] == "skip"]
    for test in failed:
        print(f"FAILED  {short(test)}\n        {reason(test)}")
    reasons = collections.Counter(reason(test) for test in skipped)
    for text, count in reasons.most_common():
        print(f"skipped {count:4}  {text}")
    for text, count in left_out.most_common():
        print(f"excluded {count:3}  {text}")
    # A class whose set-up fails or skips hides all its tests, so these are counted apart.
    counts = collections.Counter((test["status"], test["id"].startswith(FIXTURES)) for test in tests)
    whole = counts["fail", True], counts["skip", True]
    print(f"passed {counts['success', False]}, failed {counts['fail', False]}, skipped {counts['skip', False]}, excluded {left_out.total()}"
          f"; whole classes: failed {whole[0]}, skipped {whole[1]}")
    return 1 if failed else 0 if counts["success", False] else 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
