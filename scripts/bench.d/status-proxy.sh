#!/usr/bin/env bash
# status-proxy: latency, CPU and memory of many viewers beside a bare loop of sockets, and beside a peer in Python.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

ulimit -n "$(ulimit -Hn)"
timeout 500 "$BIN/examples/status-load" "$BIN/status-proxy" --peer scripts/bench.d/status-proxy.py "$@"
