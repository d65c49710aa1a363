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

# Groups of tests, each in a process of its own: those that take longest first, the rest of a folder as one. As many run at
# once as there are cores; what a group says is shown when it has ended.
longest=(tests/live/test_moves_live.py tests/live/test_cluster.py tests/live/test_moves_cold.py tests/functional)
apart() {
    printf '%s\n' "${longest[@]}" tests/live/test_*.py tests/contract/test_virt*.py | awk '!seen[$0]++'
    echo tests/unit
}
others=(tests/contract)
while read -r group; do
    [[ $group != tests/contract/* ]] || others+=("--ignore=$group")
done < <(apart)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
run_group() {
    local log began=$SECONDS status=0
    log=$(mktemp -p "$logs")
    echo "-- begins: $1"
    # shellcheck disable=SC2086
    check $1 >"$log" 2>&1 </dev/null || status=$?
    flock "$logs" cat "$log"
    echo "-- ended: $1, $((SECONDS - began)) s"
    echo "$status" >"$log.status"
}
while read -r group; do
    while [[ $(jobs -rp | wc -l) -ge $(nproc) ]]; do wait -n || true; done
    run_group "$group" &
done < <(apart; echo "${others[*]}")
wait
# pytest's 5: a pattern that no test of the group matches.
statuses=$(sort -u "$logs"/*.status | tr '\n' ' ')
[[ $statuses =~ ^(0|0\ 5|5\ 0)\ $ ]] || { echo "FAILED: see above"; exit 1; }
