#!/bin/bash
# Write etc/nova_lite/nova-lite.conf.sample and policy.yaml.sample from nova_lite/config.py and nova_lite/policy.py.
#
# usage: tools/generate_samples.sh [DIRECTORY]     (default: etc/nova_lite)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
output=${1:-$root/etc/nova_lite}
case $output in -*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
mkdir -p "$output"
with_venv=$root/tools/with_venv.sh
"$with_venv" oslo-config-generator --namespace nova_lite --wrap-width 120 --output-file "$output/nova-lite.conf.sample"
"$with_venv" oslopolicy-sample-generator --namespace nova_lite --output-file "$output/policy.yaml.sample"
