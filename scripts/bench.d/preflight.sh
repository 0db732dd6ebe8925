#!/usr/bin/env bash
# preflight: the reads, memory and CPU for many viewers, and the time from a change to its message. Compared with a bare
# loop that writes to sockets, and with a peer in Python.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

ulimit -n "$(ulimit -Hn)"
timeout 500 "$BIN/examples/preflight-load" "$BIN/preflight" --peer scripts/bench.d/preflight.py "$@"
