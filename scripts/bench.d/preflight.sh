#!/usr/bin/env bash
# preflight: memory and CPU of idle sockets, time from a change to its frame, reads.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

work=$(mktemp -d)
trap 'stop_children; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"

redis=$(free_port) service=$(free_port)
start "$redis" "$work/redis.log" redis-server --port "$redis" --bind 127.0.0.1 --save '' --dir "$work" \
  --notify-keyspace-events Kghxe
REDIS_URL=redis://127.0.0.1:$redis LISTEN_ADDR=127.0.0.1:$service PREFLIGHT_PING_INTERVAL=25s DRAIN_DELAY=0s DRAIN_TIMEOUT=2s \
  start "$service" "$work/service.log" "$BIN/preflight"
timeout 170 "$BIN/examples/preflight-load" "127.0.0.1:$service" "${children[-1]}" "$redis" "$@" || {
  tail -n 20 "$work/service.log" >&2
  fail "the load could not be run"
}
