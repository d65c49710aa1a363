#!/bin/bash
# The pieces of a cloud on one machine: libvirt's daemons where no init system starts them, a configuration with a random password,
# nova-lite-all-in-one, the guest image. Sourced by tools/quickstart.sh and tools/tempest.sh, which set these first:
#
#   root    the project's folder
#   state   the cloud's folder: all that it makes lies in here
#   driver  libvirt or fake
#
# Files in $state: nova-lite.conf, clouds.yaml, log, daemon.pid, libvirt.pids (only of what was started here).

with_venv=$root/tools/with_venv.sh
libvirt_uri=qemu:///system

say() { printf '%s\n' "$@"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# wait_until SECONDS COMMAND ...: false when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [[ $SECONDS -lt $deadline ]] || return 1
        sleep 0.1
    done
}

# is_running PIDFILE: whether the process that wrote it, and not another with the same number, is there.
is_running() {
    local pid started
    [[ -r $1 ]] && read -r pid started < "$1" && [[ -n $pid && $(started_at "$pid") == "$started" ]]
}
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
remember() { echo "$2 $(started_at "$2")" >> "$1"; }

# end PIDFILE SECONDS: stop each process of the file, politely, then not.
end() {
    local pid started
    [[ -r $1 ]] || return 0
    while read -r pid started; do
        [[ -n $started && $(started_at "$pid") == "$started" ]] || continue
        kill "$pid" 2>/dev/null || continue
        wait_until "$2" gone "$pid" "$started" || kill -9 "$pid" 2>/dev/null || true
    done < "$1"
    rm -f "$1"
}
gone() { [[ $(started_at "$1") != "$2" ]] || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }

make_state() {
    mkdir -p "$state"
    # QEMU runs as a user of its own and has to reach the disks.
    chmod 0711 "$state"
}

libvirt_answers() { timeout 20 virsh -q -c "$libvirt_uri" version >/dev/null 2>&1; }

# Leaves the reason in $libvirt_problem where it returns false.
start_libvirt() {
    libvirt_answers && return 0
    if [[ -d /run/systemd/system ]]; then
        systemctl start libvirtd >/dev/null 2>&1 || systemctl start virtqemud.socket virtlogd.socket >/dev/null 2>&1 || true
    else
        start_own_libvirt
    fi
    wait_until 20 libvirt_answers && return 0
    libvirt_problem=$(timeout 20 virsh -c "$libvirt_uri" version 2>&1 | grep -i error | tail -n 1 || true)
    libvirt_problem=${libvirt_problem:-virsh is not installed}
    return 1
}

start_own_libvirt() {
    local daemon pidfile
    mkdir -p /run/libvirt
    for daemon in virtlogd libvirtd; do
        command -v "$daemon" >/dev/null || continue
        # A daemon that is already there holds its pid file; ours then ends at once, and is not remembered.
        pidfile=/run/$daemon.pid
        if "$daemon" -d >>"$state/libvirt.log" 2>&1; then
            wait_until 5 test -s "$pidfile" && remember "$state/libvirt.pids" "$(< "$pidfile")"
        fi
    done
}

# kvm only where the CPU can and the device opens: either alone lets guests hang or fail.
choose_virt_type() {
    if ! grep -qEw 'vmx|svm' /proc/cpuinfo; then
        virt_type=qemu virt_reason="the CPU shows neither vmx nor svm"
    elif ! { : < /dev/kvm > /dev/kvm; } 2>/dev/null; then
        virt_type=qemu virt_reason="/dev/kvm does not open"
    else
        virt_type=kvm virt_reason="the CPU has vmx or svm and /dev/kvm opens"
    fi
}

port_is_free() { ! (: < "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local candidate
    for candidate in "$@" $(shuf -i 20000-29999 -n 50); do
        if port_is_free "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}
random_word() { head -c 24 /dev/urandom | base64 | tr -d '/+=\n'; }
setting() { sed -n "s/^$1 = //p" "$state/nova-lite.conf"; }

# configure PORT ...: the first free one is taken. A configuration that is there stays.
configure() {
    local network_driver=linux
    if [[ ! -s $state/nova-lite.conf ]]; then
        [[ $driver == libvirt ]] || network_driver=none
        choose_virt_type
        (umask 077; cat > "$state/nova-lite.conf.new") <<CONF
# Written by tools/quickstart; every option is in etc/nova_lite/nova-lite.conf.sample.
[DEFAULT]
state_path = $state
log_file = $state/log

[api]
port = $(free_port "$@")

[consoleproxy]
port = $(free_port 6080)
$([[ ! -d $state/novnc ]] || echo "novnc_path = $state/novnc")

[compute]
driver = $driver
$([[ $driver != fake ]] || echo "fake_hosts = ${fake_hosts:-1}")

[libvirt]
virt_type = $virt_type

[network]
driver = $network_driver

[identity]
admin_password = $(random_word)
CONF
        mv "$state/nova-lite.conf.new" "$state/nova-lite.conf"
    fi
    port=$(setting port | head -n 1)
    [[ $port == "${1:-$port}" ]] || say "    port $1 was taken when this cloud was made: it has $port"
    endpoint=http://127.0.0.1:$port
    write_clouds "$(setting admin_password)"
}

# write_clouds PASSWORD: of the admin, at $endpoint.
write_clouds() {
    (umask 077; cat > "$state/clouds.yaml") <<CLOUDS
clouds:
  nova-lite:
    auth:
      auth_url: $endpoint/identity/v3
      username: admin
      password: $1
      project_name: admin
      user_domain_id: default
      project_domain_id: default
    region_name: RegionOne
    identity_api_version: 3
CLOUDS
}

is_healthy() { (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && head -n 1 <&3 | grep -q ' 200') 2>/dev/null; }
healthy_or_dead() { is_healthy || ! is_running "$state/daemon.pid"; }

start_daemon() {
    if ! is_running "$state/daemon.pid"; then
        rm -f "$state/daemon.pid"
        setsid "$with_venv" nova-lite-all-in-one --config-file "$state/nova-lite.conf" >>"$state/output" 2>&1 </dev/null &
        remember "$state/daemon.pid" $!
    fi
}

wait_for_daemon() {
    wait_until 60 healthy_or_dead || true
    if ! is_healthy; then
        tail -n 20 "$state/output" "$state/log" >&2 2>/dev/null || true
        say "nova-lite-all-in-one did not come up; the end of its log is above (all of it: $state/log)." >&2
        return 1
    fi
}

stop_daemon() { end "$state/daemon.pid" 30; }
stop_own_libvirt() { end "$state/libvirt.pids" 20; }

# The image's folder is kept from run to run, and the builder does nothing where it is up to date.
image_folder=${NOVA_LITE_IMAGE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nova-lite/guest-image}
build_image() {
    mkdir -p "$image_folder"
    python3 "$root/tools/build_guest_image.py" --output "$image_folder"
}
# The pages of noVNC: those that are installed, or unpacked from the distribution's package, which would bring Node.js and NumPy along.
fetch_novnc() {
    [[ ! -d /usr/share/novnc && ! -d $state/novnc ]] || return 0
    local work
    work=$(mktemp -d)
    if (cd "$work" && { apt-get download novnc || { apt-get update && apt-get download novnc; }; } && dpkg-deb -x novnc_*.deb .) >"$work/log" 2>&1; then
        mv "$work/usr/share/novnc" "$state/novnc"
    else
        say "    noVNC could not be fetched; guests' screens open in a browser once the package novnc is installed"
    fi
    rm -rf "$work"
}
# The fake driver looks at no byte of it.
make_fake_image() { head -c 65536 /dev/zero > "$state/fake-image.raw"; }

# What the cloud made outside its folder: through the API, then by hand what is left.
remove_cloud() {
    remove_through_api || say "    the API did not remove all; going on with what is on this machine"
    stop_daemon
    if [[ $driver == libvirt ]]; then
        remove_guests
        "$with_venv" python "$root/tools/quickstart/remove_networks.py" "$state" || true
    fi
    stop_own_libvirt
}

remove_through_api() {
    if ! is_healthy; then
        [[ $driver == fake ]] || start_libvirt || return 1
        start_daemon
        wait_until 60 healthy_or_dead || return 1
    fi
    is_healthy && resources remove
}

# A guest's domain has the server's id, and the server's folder carries it.
remove_guests() {
    local folder
    for folder in "$state"/servers/*/; do
        virsh -q -c "$libvirt_uri" destroy "$(basename "$folder")" >/dev/null 2>&1 || true
        virsh -q -c "$libvirt_uri" undefine --nvram "$(basename "$folder")" >/dev/null 2>&1 || true
    done
}

# As an array, so that a background job is the process itself and can be ended.
resources_command=(env "OS_CLIENT_CONFIG_FILE=$state/clouds.yaml" "$with_venv" python "$root/tools/quickstart/resources.py")
resources() { "${resources_command[@]}" "$@"; }
