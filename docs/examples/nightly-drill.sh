#!/usr/bin/env bash
# Rehearse failures on a cluster of its own and keep the reports: nightly-drill.sh FOLDER [DRILL ...]
# Exit code 1 where a drill lost an acknowledged row or nobody could commit for longer than MAX_GAP.
set -euo pipefail

folder=${1:?"usage: nightly-drill.sh FOLDER [DRILL ...]"}
shift
drills=("$@")
if [ ${#drills[@]} = 0 ]; then
    drills=(planned writer-crash az-outage storage-node)
fi
max_gap=${MAX_GAP:-10s}
load=${LOAD:-2s}

mkdir -p "$folder"
AURORACTL_HOME=$(mktemp -d "${TMPDIR:-/tmp}/nightly-drill-XXXXXX")
export AURORACTL_HOME
chmod 755 "$AURORACTL_HOME" # the account of the databases must be able to enter it
trap 'auroractl supervisor stop --all || true; rm -rf "$AURORACTL_HOME"' EXIT

auroractl --quiet create-cluster nightly --readers "${READERS:-2}" > /dev/null
failed=0
for drill in "${drills[@]}"; do
    report="$folder/$(date -u +%Y-%m-%d)-$drill.json"
    if auroractl --quiet drill "$drill" nightly --duration "$load" --max-gap "$max_gap" --output json > "$report"; then
        echo "passed  $drill  $report"
    else
        echo "FAILED  $drill  $report"
        failed=1
    fi
done
exit "$failed"
