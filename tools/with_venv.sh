#!/bin/bash
# Run a command in the project's virtual environment, which is made, or brought up to date, first.
#
# usage: tools/with_venv.sh [-f] COMMAND [ARGUMENT ...]
#   -f   make the virtual environment anew
#   -h   print this
#
# environment: NOVA_LITE_VENV    where it is (default: .venv beside setup.cfg)
#              NOVA_LITE_EXTRAS  the extras of setup.cfg that go in (default: libvirt,postgresql,mysql,test)
#              PYTHON            interpreter to make it with (default: the system's, 3.11 or newer)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${NOVA_LITE_VENV:-$root/.venv}
extras=${NOVA_LITE_EXTRAS:-libvirt,postgresql,mysql,test}
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; }

fresh=0
while getopts fh option; do
    case $option in
        f) fresh=1 ;;
        h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[[ $# -gt 0 ]] || { usage >&2; exit 2; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    local candidate
    for candidate in ${PYTHON:-} /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        # A python3 without ensurepip is Debian's without python3-venv.
        if command -v "$candidate" >/dev/null && fits "$candidate" && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}
wanted() { { cat "$root/setup.cfg" "$root/pyproject.toml"; echo "$root $extras"; } | sha256sum | cut -d' ' -f1; }
is_current() { [[ -x $venv/bin/python && $(cat "$venv/.nova-lite-stamp" 2>/dev/null) == "$(wanted)" ]]; }

make_current() {
    local python
    "$root/tools/system_packages.sh" build >&2 || echo "Going on without them." >&2
    if [[ $fresh == 1 ]]; then
        rm -rf "$venv"
    fi
    if [[ ! -x $venv/bin/python ]]; then
        python=$(find_python) || { echo "No Python of 3.11 or newer with venv here (PYTHON=... names one)." >&2; exit 1; }
        echo "Making a virtual environment in $venv" >&2
        "$python" -m venv "$venv"
    fi
    echo "Installing requirements ($extras)" >&2
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e "${root}[$extras]" >"$venv/pip.log" 2>&1; then
        tail -n 25 "$venv/pip.log" >&2
        echo "pip failed; all it said: $venv/pip.log" >&2
        exit 1
    fi
    wanted > "$venv/.nova-lite-stamp"
}

# As root in somebody's clone, the virtual environment is made by that somebody, who could not bring root's up to date later.
owner=$(stat -c %U "$root")
if [[ $(id -u) == 0 && $owner != root && $owner != UNKNOWN && $venv == "$root"/* ]] && { [[ $fresh == 1 ]] || ! is_current; }; then
    "$root/tools/system_packages.sh" build >&2 || echo "Going on without them." >&2
    again=()
    [[ $fresh == 0 ]] || again=(-f)
    runuser -u "$owner" -- env HOME="$(getent passwd "$owner" | cut -d: -f6)" "$0" "${again[@]+"${again[@]}"}" true
    fresh=0
fi
if [[ $fresh == 1 ]] || ! is_current; then
    mkdir -p "$(dirname "$venv")"
    # Two at once would install over each other; the second finds the work done.
    exec 9>"$venv.lock"
    flock 9
    if [[ $fresh == 1 ]] || ! is_current; then
        make_current
    fi
    exec 9>&-
fi
export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
exec "$@"
