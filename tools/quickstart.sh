#!/bin/bash
# A cloud on this machine with a real guest in it, by one command. Debian 12 or Ubuntu, as root or with sudo.
#
# usage: tools/quickstart.sh [--fake]   make it, or go on where an earlier run ended
#        tools/quickstart.sh --stop     stop its daemons; guests go on running
#        tools/quickstart.sh --clean    remove all that it made: guests, networks, the state folder
#        tools/quickstart.sh --help
#
#   --fake   a driver that only pretends to run guests: needs neither root nor libvirt
#
# environment: NOVA_LITE_STATE      folder of all that the cloud makes
#                                   (default: /var/lib/nova-lite; ~/.local/state/nova-lite with --fake and without root)
#              NOVA_LITE_PORT       port of the APIs (default: 8774, or a free one where that is taken)
#              NOVA_LITE_IMAGE_DIR  where the guest image is built and kept (default: ~/.cache/nova-lite/guest-image)
#              NOVA_LITE_VENV       the virtualenv (default: .venv in this folder)
#
# The machine's routes and firewall stay as they are: each network lives in a namespace of its own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$root/tools/quickstart.sh"; }

driver=libvirt action=start
for argument in "$@"; do
    case $argument in
        --fake) driver=fake ;;
        --stop) action=stop ;;
        --clean) action=clean ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

if [[ $(id -u) == 0 ]]; then default_state=/var/lib/nova-lite; else default_state=$HOME/.local/state/nova-lite; fi
if [[ $(id -u) != 0 && $driver == libvirt && ! -r ${NOVA_LITE_STATE:-$default_state}/nova-lite.conf ]]; then
    command -v sudo >/dev/null || { echo "Guests need root here (bridges, namespaces, libvirt): run as root or install sudo, or try --fake." >&2; exit 1; }
    exec sudo --preserve-env=NOVA_LITE_STATE,NOVA_LITE_PORT,NOVA_LITE_IMAGE_DIR,NOVA_LITE_VENV "$root/tools/quickstart.sh" "$@"
fi
state=${NOVA_LITE_STATE:-$default_state}
# shellcheck source=tools/quickstart/cloud.sh
. "$root/tools/quickstart/cloud.sh"

# ---- steps, and how long they took

steps=()
now() { date +%s.%N; }
# step TEXT COMMAND ...: say it, do it, time it.
step() {
    local text=$1 began
    shift
    say "==> $text"
    began=$(now)
    "$@" || fail "That failed: $text"
    steps+=("$(awk -v a="$began" -v b="$(now)" 'BEGIN {printf "%7.1f s", b - a}')  $text")
}
took() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.1f s", b - a}'; }

# ---- start

install_packages() {
    if [[ $driver == fake ]]; then "$root/tools/system_packages.sh" build; else "$root/tools/system_packages.sh" build run; fi
}

check_libvirt() {
    if ! start_libvirt; then
        say "libvirt does not run here: $libvirt_problem"
        [[ ! -s $state/libvirt.log ]] || tail -n 5 "$state/libvirt.log"
        say "Without it there are no real guests. The APIs and everything behind them but the guests run with the fake driver:"
        say "    tools/quickstart.sh --fake"
        exit 1
    fi
    choose_virt_type
    if [[ $virt_type == kvm ]]; then
        say "    guests run under KVM: $virt_reason"
    else
        say "    guests run under plain QEMU, which is slow: $virt_reason"
    fi
}

# The SDK's process waits for the daemon, makes things, says what the first server is, and then watches it: see resources.py.
start_and_prepare() {
    local image=(--image "$state/fake-image.raw" --format raw)
    [[ $driver == fake ]] || image=(--image "$image_folder/disk.qcow2" --format qcow2)
    start_daemon
    exec 4< <("${resources_command[@]}" prepare --health "$endpoint/healthz" "${image[@]}" --image-name nova-lite-guest \
              --key "$state/id_nova_lite" --watch first)
    watcher=$!
    if ! wait_for_daemon; then
        kill "$watcher"
        return 1
    fi
    say "    $endpoint answers"
    read -r _ first_status <&4
}

openstack() { OS_CLIENT_CONFIG_FILE=$state/clouds.yaml "$with_venv" openstack --os-cloud nova-lite "$@"; }

# The first server, whatever an earlier run left of it.
first_server() {
    case $driver:$first_status in
        *:ACTIVE) say "    it is there already" ;;
        libvirt:SHUTOFF) openstack server start first ;;
        *:BUILD) ;;
        *:) create_first ;;
        # The fake driver keeps its guests in memory: after a stop they are gone for good.
        *) openstack server delete --wait first && create_first ;;
    esac
    wait "$watcher"
}
create_first() { openstack server create -f value -c id --flavor m1.tiny --image nova-lite-guest --network private --key-name nova-lite first; }

# Where the person who called us looks for clouds.yaml, unless there is one already.
link_clouds() {
    local home=$HOME folder
    [[ -z ${SUDO_USER:-} ]] || home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    folder=$home/.config/openstack
    chown "${SUDO_UID:-$(id -u)}" "$state/clouds.yaml" "$state/id_nova_lite"
    [[ ! -e $folder/clouds.yaml && ! -L $folder/clouds.yaml ]] || return 0
    if install -d -o "${SUDO_UID:-$(id -u)}" "$home/.config" "$folder" 2>/dev/null && ln -s "$state/clouds.yaml" "$folder/clouds.yaml"; then
        echo "$folder/clouds.yaml" > "$state/clouds.link"
    fi
}
is_linked() { [[ -s $state/clouds.link && $(readlink "$(< "$state/clouds.link")") == "$state/clouds.yaml" ]]; }

start() {
    local began daemon_began
    began=$(now)
    make_state
    step "system packages" install_packages
    step "virtual environment" "$with_venv" true
    [[ $driver == fake ]] || step "libvirt" check_libvirt
    if [[ $driver == fake ]]; then make_fake_image; else step "guest image" build_image; fi
    [[ $driver == fake ]] || step "noVNC" fetch_novnc
    configure "${NOVA_LITE_PORT:-8774}"
    [[ $(setting driver) == "$driver"* ]] || fail "$state holds a cloud with the other driver: tools/quickstart.sh --clean removes it."
    daemon_began=$(now)
    step "nova-lite-all-in-one; flavors, network, image, key pair" start_and_prepare
    step "server 'first' until ACTIVE, with the openstack client" first_server
    say "    first server ACTIVE $(took "$daemon_began" "$(now)") after the start of the daemon"
    [[ $driver == fake ]] || step "the guest's boot, lease and metadata on its console" resources console first
    link_clouds
    summary "$(took "$began" "$(now)")"
}

summary() {
    local prefix="openstack --os-cloud nova-lite"
    say "" "How long it took:" "${steps[@]}" "All of it: $1" ""
    say "Endpoint:     $endpoint   (identity: $endpoint/identity/v3)"
    say "clouds.yaml:  $state/clouds.yaml   (user admin; the password is in it)"
    say "Log:          $state/log"
    say "" "Next:" "    . ${NOVA_LITE_VENV:-$root/.venv}/bin/activate"
    is_linked || say "    export OS_CLIENT_CONFIG_FILE=$state/clouds.yaml"
    say "    $prefix server create --flavor m1.nano --image nova-lite-guest --network private --wait second"
    say "    $prefix server list"
    say "    $prefix console log show first"
    say "    $prefix console url show first"
    say "    $prefix server reboot --hard --wait first"
    say "    $prefix server delete --wait second"
    say "" "tools/quickstart.sh --stop stops it, --clean removes it."
}

# ---- stop, clean

stop() {
    stop_daemon
    stop_own_libvirt
    say "Stopped. Guests, if any, go on running; tools/quickstart.sh starts the daemons again, --clean removes everything."
}

clean() {
    if [[ ! -d $state ]]; then
        say "Nothing to remove: there is no $state"
        return
    fi
    if [[ -s $state/nova-lite.conf ]]; then
        driver=$(setting driver | head -n 1)
        configure
        say "==> servers and networks"
        remove_cloud
    fi
    if is_linked; then rm -f "$(< "$state/clouds.link")"; fi
    say "==> $state"
    rm -rf "$state"
    say "Removed. The guest image ($image_folder) and the virtual environment stay for the next time."
}

$action
