#!/usr/bin/env bash
# preflight: reads, memory and CPU of many viewers and the time from a change to its frame, beside a bare loop of sockets,
# and beside a peer in Python.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

ulimit -n "$(ulimit -Hn)"
timeout 500 "$BIN/examples/preflight-load" "$BIN/preflight" --peer scripts/bench.d/preflight.py "$@"
