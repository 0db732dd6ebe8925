#!/usr/bin/env bash
# status-proxy: latency, CPU and memory with many viewers, compared with a bare loop of sockets and a Python program.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

ulimit -n "$(ulimit -Hn)"
timeout 500 "$BIN/examples/status-load" "$BIN/status-proxy" --peer scripts/bench.d/status-proxy.py "$@"
