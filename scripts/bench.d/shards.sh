#!/usr/bin/env bash
# All services: the CPU time of a unit of work on one Redis and on Redis Clusters of one, two and three shards.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"
[ -n "${BACKPLANE_PYTHON-}" ] || fail "the load needs the packages of scripts/requirements.txt"

scratch "$target/bench.XXXXXX"
timeout 900 "$BACKPLANE_PYTHON" scripts/bench.d/shards.py "$BIN" "$work" "$@"
