#!/usr/bin/env bash
# Run a command with a cluster of its own, and remove the cluster whatever happens: create-test-delete.sh COMMAND ...
# The command finds DATABASE_URL, DATABASE_READER_URL and libpq's PG* variables. The exit code is the command's.
set -euo pipefail

if [ $# = 0 ]; then
    echo "usage: create-test-delete.sh COMMAND ..." >&2
    exit 2
fi

AURORACTL_HOME=$(mktemp -d "${TMPDIR:-/tmp}/create-test-delete-XXXXXX")
export AURORACTL_HOME
chmod 755 "$AURORACTL_HOME" # the account of the databases must be able to enter it
trap 'auroractl supervisor stop --all || true; rm -rf "$AURORACTL_HOME"' EXIT

auroractl --quiet create-cluster ci --readers "${READERS:-1}" > /dev/null
DATABASE_URL=$(auroractl uri ci)
DATABASE_READER_URL=$(auroractl uri ci --reader)
export DATABASE_URL DATABASE_READER_URL
variables=$(auroractl env ci)
eval "$variables"

code=0
"$@" || code=$?
exit "$code"
