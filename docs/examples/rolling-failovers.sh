#!/usr/bin/env bash
# Make every instance of a cluster the writer once, as a rolling patch does: rolling-failovers.sh CLUSTER
# Between two switches the cluster must be whole again, and every switch must have kept what was written before it.
set -euo pipefail

cluster=${1:?"usage: rolling-failovers.sh CLUSTER"}
patience_s=${PATIENCE_S:-60}

wait_healthy() {
    local deadline=$((SECONDS + patience_s))
    until auroractl status "$cluster" > /dev/null; do
        if ((SECONDS > deadline)); then
            echo "$cluster is still not whole after $patience_s s" >&2
            exit 6
        fi
        sleep 0.2
    done
}

query() {
    auroractl psql "$cluster" -- -X -v ON_ERROR_STOP=1 -Atqc "$1"
}

query "create table if not exists rolling_failovers (writer text)"
query "truncate rolling_failovers"
switches=0
mapfile -t instances < <(auroractl describe-instances "$cluster" --output text | cut -f 1)
for instance in "${instances[@]}"; do
    wait_healthy
    role=$(auroractl describe-instances --instance "$instance" --output text | cut -f 3)
    if [ "$role" = reader ]; then
        auroractl --quiet failover "$cluster" --target "$instance"
        switches=$((switches + 1))
    fi
    query "insert into rolling_failovers values ('$instance')"
done
wait_healthy
kept=$(query "select count(*) from rolling_failovers")
query "drop table rolling_failovers"
echo "switches: $switches; $kept of ${#instances[@]} rows are there"
[ "$kept" = "${#instances[@]}" ]
