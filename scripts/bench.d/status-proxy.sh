#!/usr/bin/env bash
# status-proxy: latency, CPU and memory of many viewers, each beside a bare loop of sockets.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

work=$(mktemp -d)
trap 'stop_children; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"

redis=$(free_port) service=$(free_port)
start "$redis" "$work/redis.log" redis-server --port "$redis" --bind 127.0.0.1 --save '' --dir "$work"
REDIS_URL=redis://127.0.0.1:$redis LISTEN_ADDR=127.0.0.1:$service STATUS_PING_INTERVAL=25s DRAIN_DELAY=0s DRAIN_TIMEOUT=2s \
  start "$service" "$work/service.log" "$BIN/status-proxy"
timeout 170 "$BIN/examples/status-load" "127.0.0.1:$service" "${children[-1]}" "$redis" "$@" || {
  tail -n 20 "$work/service.log" >&2
  fail "the load could not be run"
}
