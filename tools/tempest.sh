#!/bin/bash
# Run unmodified Tempest against a cloud started for it; print counts, failures and reasons of skips. The cloud is an all-in-one on this machine,
# or with -d libvirt and -H or -v a controller and hosts in namespaces, each with its libvirtd, on RabbitMQ and PostgreSQL.
#
# usage: tools/tempest.sh [-d libvirt|fake] [-c N] [-H N] [-v] [-l FILE] [-x REGEX] [-k] REGEX
#   REGEX    tests to run, e.g. '^tempest\.api\.compute\.flavors'
#   -l FILE  run the tests named in this file instead, one a line
#   -x REGEX leave out the tests that match, besides those of tools/tempest.exclude
#   -d       hypervisor driver (default: libvirt)
#   -H N     compute hosts: namespaces, or played by the fake driver (default: 1 with libvirt, 2 with the fake driver)
#   -v       run_validation: log in to guests over SSH (with libvirt only)
#   -c N     so many tests at once (default: 1)
#   -k       keep the workspace and leave the cloud running; its folder is printed
#   -h       print this
#
# environment: NOVA_LITE_TEMPEST_VENV  Tempest's own virtualenv (default: ~/.cache/nova-lite/tempest-venv)
#              NOVA_LITE_IMAGE_DIR     where the guest image is built and kept
# exit status: 0 no failure, 1 failures, 2 nothing passed or no cloud
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$root/tools/tempest.sh"; }
TEMPEST='tempest==47.0.0'

driver=libvirt concurrency=1 keep=0 load='' exclude='' hosts='' validation=false
while getopts d:c:H:vl:x:kh option; do
    case $option in
        d) driver=$OPTARG ;;
        c) concurrency=$OPTARG ;;
        H) hosts=$OPTARG ;;
        v) validation=true ;;
        l) load=$OPTARG ;;
        x) exclude=$OPTARG ;;
        k) keep=1 ;;
        h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
regex=${1:-}
[[ $driver == libvirt || $driver == fake ]] && [[ -n $regex || -r $load ]] || { usage >&2; exit 2; }
[[ $driver == libvirt || $validation == false ]] || { echo "The fake driver's guests have no SSH: -v is for libvirt." >&2; exit 2; }
cluster=false
[[ $driver != libvirt ]] || [[ -z $hosts && $validation == false ]] || cluster=true
if [[ $driver == libvirt ]]; then hosts=${hosts:-1}; else hosts=${hosts:-2}; fi
fake_hosts=$hosts several=true
[[ $hosts -gt 1 ]] || several=false
venv=${NOVA_LITE_TEMPEST_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/nova-lite/tempest-venv}

# Not below /tmp, which is memory on some machines.
workspace=$(mktemp -d /var/tmp/nova-lite-tempest.XXXXXX)
state=$workspace/cloud
how_to_end="tools/quickstart.sh --clean with NOVA_LITE_STATE=$state removes the cloud"
[[ $cluster == false ]] || how_to_end="the first number in $state/cluster.pid is the process to end"
# shellcheck source=tools/quickstart/cloud.sh
. "$root/tools/quickstart/cloud.sh"

# shellcheck disable=SC2329
finish() {
    local status=$?
    if [[ $keep == 1 ]]; then
        say "Kept: $workspace ($how_to_end)"
    elif [[ $cluster == true ]]; then
        end "$state/cluster.pid" 120
        rm -rf "$workspace"
    elif [[ -d $state ]]; then
        remove_cloud >"$workspace/remove.log" 2>&1 || { say "What the cloud made could not be removed:"; tail -n 5 "$workspace/remove.log"; status=2; }
        [[ $status == 2 ]] || rm -rf "$workspace"
    fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

filters=ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter
[[ $several == false ]] || filters+=,DifferentHostFilter,SameHostFilter

# The cluster's addresses are those of its controller's network namespace: what talks to it runs in there.
inside=()
cluster() { "$with_venv" python "$root/tools/tempest_cluster.py" "$@"; }
cluster_says() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$state/machines/cluster.json" "$1"; }
cluster_is_up_or_dead() { [[ -s $state/machines/cluster.json ]] || ! is_running "$state/cluster.pid"; }

start_cluster() {
    [[ $(id -u) == 0 ]] || fail "Namespaces need root."
    "$root/tools/system_packages.sh"
    build_image
    setsid "$with_venv" python "$root/tools/tempest_cluster.py" serve "$state/machines" "$hosts" >"$state/output" 2>&1 </dev/null &
    remember "$state/cluster.pid" $!
    wait_until 180 cluster_is_up_or_dead || true
    if [[ ! -s $state/machines/cluster.json ]]; then
        tail -n 30 "$state/output" >&2
        return 1
    fi
    endpoint=$(cluster_says endpoint) password=$(cluster_says password)
    write_clouds "$password"
    inside=(nsenter "--net=/proc/$(cluster_says controller)/ns/net")
    resources_command=("${inside[@]}" "${resources_command[@]}")
    resources prepare --image "$image_folder/disk.qcow2" --format qcow2 --image-name nova-lite-guest --image-name nova-lite-guest-alt \
        --key "$state/id_nova_lite"
    [[ $validation == false ]] || "${inside[@]}" "$with_venv" python "$root/tools/tempest_cluster.py" plug "$state/machines" private
}

start_cloud() {
    local image
    chmod 0711 "$workspace"
    make_state
    if [[ $cluster == true ]]; then
        start_cluster
        return
    fi
    if [[ $driver == libvirt ]]; then
        "$root/tools/system_packages.sh" build run
        start_libvirt || fail "libvirt does not run here: $libvirt_problem"
        build_image
        fetch_novnc
        image=(--image "$image_folder/disk.qcow2" --format qcow2)
    else
        make_fake_image
        image=(--image "$state/fake-image.raw" --format raw)
    fi
    "$with_venv" true
    configure 8774
    printf '\n[scheduler]\nenabled_filters = AvailabilityZoneFilter,%s\n' "$filters" >>"$state/nova-lite.conf"
    password=$(setting admin_password)
    start_daemon
    wait_for_daemon || return 1
    resources prepare "${image[@]}" --image-name nova-lite-guest --image-name nova-lite-guest-alt --key "$state/id_nova_lite"
}

install_tempest() {
    [[ -x $venv/bin/tempest ]] && "$venv/bin/pip" freeze 2>/dev/null | grep -x "$TEMPEST" >/dev/null && return
    say "Installing $TEMPEST in $venv"
    local python=python3
    ! [[ -x /usr/bin/python3 ]] || python=/usr/bin/python3
    [[ -x $venv/bin/python ]] || "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$TEMPEST"
}

network_extensions() {
    OS_CLIENT_CONFIG_FILE=$state/clouds.yaml "${inside[@]}" "$with_venv" openstack --os-cloud nova-lite extension list --network -f value -c Alias | paste -sd,
}

write_configuration() {
    local images extensions version line
    extensions=$(network_extensions)
    version=$(resources compute-version)
    mapfile -t images < <(resources image-ids nova-lite-guest nova-lite-guest-alt)
    mkdir -p "$workspace/etc" "$workspace/logs" "$workspace/lock"
    # The password goes in by bash itself: on no command line.
    while IFS= read -r line; do
        line=${line//@WORKSPACE@/$workspace}
        line=${line//@ENDPOINT@/$endpoint}
        line=${line//@ADMIN_PASSWORD@/$password}
        line=${line//@IMAGE@/${images[0]}}
        line=${line//@IMAGE_ALT@/${images[1]}}
        line=${line//@MICROVERSION@/$version}
        line=${line//@COMPUTE_HOSTS@/$hosts}
        line=${line//@SEVERAL_HOSTS@/$several}
        line=${line//@VALIDATION@/$validation}
        line=${line//@SPICE@/$cluster}
        line=${line//@FILTERS@/$filters}
        line=${line//@NETWORK_EXTENSIONS@/$extensions}
        printf '%s\n' "$line"
    done < "$root/tools/tempest.conf.template" > "$workspace/etc/tempest.conf"
    local tests
    tests=$("$venv/bin/python" -c 'import os, tempest; print(os.path.dirname(tempest.__file__))')
    printf '[DEFAULT]\ntest_path=%s/test_discover\ntop_dir=%s\ngroup_regex=([^\\.]*\\.)*\n' "$tests" "$tests" > "$workspace/.stestr.conf"
}

run_tempest() {
    local selection=(--regex "$regex") pace=(--concurrency "$concurrency")
    if [[ -n $load ]]; then
        # Attributes in brackets depend on options: names are what identifies a test.
        sed -e 's/\[.*//' -e 's/\./\\./g' -e 's/^/^/' -e 's/$/(\\[|$)/' "$load" > "$workspace/include"
        selection=(--include-list "$workspace/include")
    fi
    [[ -z $exclude ]] || selection+=(--exclude-regex "$exclude")
    [[ $concurrency != 1 ]] || pace=(--serial)
    cd "$workspace"
    export PATH=$venv/bin:$PATH TEMPEST_CONFIG_DIR=$workspace/etc TEMPEST_CONFIG=tempest.conf OS_TEST_TIMEOUT=900
    stestr init >/dev/null 2>&1 || true
    say "Running Tempest; its output: $workspace/output"
    tempest run "${selection[@]}" --list-tests > "$workspace/asked" 2>/dev/null || true
    "${inside[@]}" tempest run "${selection[@]}" --exclude-list "$root/tools/tempest.exclude" "${pace[@]}" >"$workspace/output" 2>&1 || true
    stestr last --subunit 2>/dev/null | "$venv/bin/python" "$root/tools/tempest_report.py" "$root/tools/tempest.exclude" "$workspace/asked"
}

(install_tempest) & installing=$!
start_cloud || exit 2
wait $installing || exit 2
write_configuration
began=$SECONDS
result=0
run_tempest || result=$?
say "seconds: $((SECONDS - began))"
[[ $cluster == false ]] || cluster audit "$state/machines"
exit "$result"
