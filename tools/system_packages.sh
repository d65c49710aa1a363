#!/bin/bash
# The one list of Debian and Ubuntu packages that nova_lite needs. Installs those that are missing.
#
# usage: tools/system_packages.sh [-n] [GROUP ...]     groups: build run test (all if none is named)
#   -n   only print what is missing; exit status 1 if anything is
#
# Runs apt-get as root or through sudo. Services that come with the packages are not started, with one exception: libvirt, on a
# machine with systemd. The tests start databases and brokers of their own.
set -euo pipefail

# group (@ the only distribution that has it)  package  what it is for
PACKAGES='
build    python3                 the interpreter
build    python3-venv            virtual environments
build    python3-dev             libvirt-python is compiled
build    gcc                     the same
build    libc6-dev               the same
build    pkg-config              the same
build    libvirt-dev             the same
build    ca-certificates         pip speaks HTTPS
run      qemu-system-x86         guests
run      qemu-utils              qemu-img
run      libvirt-daemon-system   libvirtd, virtlogd and their configuration
run      libvirt-daemon-driver-lxc  guests that are containers (virt_type lxc)
run      libvirt-clients         virsh, to look and to clean up
run      dnsmasq-base            DHCP in the namespace of each network
run      nftables                packet filter in those namespaces
run      iproute2                bridges, taps, namespaces
run      procps                  sysctl
run      kmod                    modprobe
run      e2fsprogs               mkfs.ext4, for the guest image and extra disks
run      dosfstools              mkfs.vfat, for extra disks
run      xfsprogs                mkfs.xfs, for the same
run      ovmf                    UEFI guests
run      swtpm                   guests with a TPM
run      swtpm-tools             the same
run      zstd                    the guest image
test     curl                    endpoints by hand
test     iputils-ping            guests that reach each other
test     openssh-client          logging in to guests
test     novnc                   pages that show screens of guests
test@debian chromium             a browser; Ubuntu has it as a snap only
test     util-linux              unshare, nsenter
test     rabbitmq-server         the broker of the distributed set-up
test     postgresql              its database
test     mariadb-server          the other one
'
# Started by nobody but the tests, each test a private one.
QUIET='postgresql mariadb mysql rabbitmq-server epmd dnsmasq'

only_print=0
while getopts nh option; do
    case $option in
        n) only_print=1 ;;
        h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
groups=${*:-build run test}

for group in $groups; do
    case $group in build|run|test) ;; *) echo "no such group: $group (build, run, test)" >&2; exit 2 ;; esac
done
if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian or Ubuntu: install what stands in tools/system_packages.sh by hand." >&2
    exit 1
fi

distribution=$(. /etc/os-release && echo "${ID:-}")
missing=()
while read -r group package _; do
    [[ $group != *@* || ${group#*@} == "$distribution" ]] || continue
    group=${group%@*}
    [[ " $groups " == *" $group "* ]] || continue
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done <<< "$(grep -v '^$' <<< "$PACKAGES")"
[[ ${#missing[@]} -gt 0 ]] || exit 0
if [[ $only_print == 1 ]]; then
    printf '%s\n' "${missing[@]}"
    exit 1
fi

as_root=()
if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null; then
        echo "Missing packages, and neither root nor sudo to install them with: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

policy=/usr/sbin/policy-rc.d
forget_policy() { :; }
if [[ ! -e $policy ]]; then
    # invoke-rc.d asks this script whether a service may be started: 101 is no.
    { echo '#!/bin/sh'
      if [[ -d /run/systemd/system ]]; then
          echo "case \" $QUIET \" in *\" \${1%@*} \"*) exit 101 ;; esac"
          echo 'exit 0'
      else
          echo 'exit 101'
      fi
    } | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    forget_policy() { "${as_root[@]}" rm -f "$policy"; }
fi
trap forget_policy EXIT

echo "Installing system packages: ${missing[*]}"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }
log=$(mktemp)
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    echo "apt-get failed; all it said: $log" >&2
    exit 1
fi
rm -f "$log"

if [[ -d /run/systemd/system ]]; then
    for service in postgresql mariadb rabbitmq-server; do
        [[ " ${missing[*]} " == *" $service"* ]] && "${as_root[@]}" systemctl disable --now "$service" >/dev/null 2>&1 || true
    done
fi
if [[ " ${missing[*]} " == *" libvirt-daemon-system "* ]]; then
    # The network that comes with libvirt changes the machine's routes and firewall, and we do not use it.
    if [[ -d /run/systemd/system ]]; then
        "${as_root[@]}" virsh -q -c qemu:///system net-destroy default >/dev/null 2>&1 || true
    fi
    "${as_root[@]}" rm -f /etc/libvirt/qemu/networks/autostart/default.xml
fi
