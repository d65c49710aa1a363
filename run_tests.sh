#!/bin/bash
# Install what is missing, check the style and the architecture, run the tests.
#
# usage: ./run_tests.sh [-p] [-f] [-h] [PATH|PATTERN ...]
#   PATH      a test file or folder (tests/unit/db, tests/unit/test_architecture.py::test_rooms)
#   PATTERN   anything else: tests whose names match, as in pytest -k (also: -k PATTERN)
#   -p        style and architecture alone
#   -f        make the virtual environment anew
#   -h        print this
#
# Without arguments: tests/unit, functional, contract, live. What is skipped is listed at the end with its reason; as root on
# Debian 12 nothing is. Several paths or patterns run together.
set -euo pipefail
cd "$(dirname "$0")"
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; }

style_only=0 fresh=() paths=() patterns=()
while [[ $# -gt 0 ]]; do
    case $1 in
        -p) style_only=1 ;;
        -f) fresh=(-f) ;;
        -h|--help) usage; exit 0 ;;
        -k) [[ $# -gt 1 ]] || { usage >&2; exit 2; }; patterns+=("$2"); shift ;;
        -*) usage >&2; exit 2 ;;
        *) if [[ -e ${1%%::*} ]]; then paths+=("$1"); else patterns+=("$1"); fi ;;
    esac
    shift
done

groups="build run test"
[[ $style_only == 0 ]] || groups=build
# Without root the tests that need a missing package skip themselves and say so.
# shellcheck disable=SC2086
tools/system_packages.sh $groups || echo "Going on without them."

echo "== style"
tools/with_venv.sh "${fresh[@]+"${fresh[@]}"}" ruff check .
if [[ $style_only == 1 ]]; then
    exec tools/with_venv.sh pytest -q tests/unit/test_architecture.py
fi

if [[ ${#paths[@]} -eq 0 && ${#patterns[@]} -eq 0 ]]; then
    echo "== architecture"
    tools/with_venv.sh pytest -q tests/unit/test_architecture.py
fi
select=()
if [[ ${#patterns[@]} -gt 0 ]]; then
    expression=$(printf ' or (%s)' "${patterns[@]}")
    select=(-k "${expression# or }")
fi
check() {
    echo "== tests: $*"
    tools/with_venv.sh pytest "${select[@]+"${select[@]}"}" "$@"
}
if [[ ${#paths[@]} -gt 0 ]]; then
    check "${paths[@]}"
    exit
fi

# Two processes, for a machine with two cores: one is told about when the other has ended.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
check tests/unit tests/functional >"$log" 2>&1 &
first=$!
second_status=0 first_status=0
check tests/contract tests/live || second_status=$?
wait "$first" || first_status=$?
cat "$log"
# pytest's 5: a pattern that no test here matches.
[[ $first_status != 5 || $second_status != 0 ]] || first_status=0
[[ $second_status != 5 || $first_status != 0 ]] || second_status=0
[[ $first_status == 0 && $second_status == 0 ]] || { echo "FAILED: see above"; exit 1; }
