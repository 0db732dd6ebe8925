#!/usr/bin/env bash
# a viewer watches a run behind haproxy; one of two instances is killed, and the viewer misses no line
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}"

scratch

port=$(free_port) run=demo-$$
export REDIS_URL=redis://127.0.0.1:$REDIS_PORT STATUS_HISTORY=redis DRAIN_DELAY=0s DRAIN_TIMEOUT=1s
servers=() ports=()
for instance in 1 2; do
  instance_port=$(free_port)
  LISTEN_ADDR=127.0.0.1:$instance_port start "$instance_port" "$work/$instance.log" "$BIN/status-proxy"
  servers+=("    server $instance 127.0.0.1:$instance_port")
  ports+=("$instance_port")
done

# The parts of haproxy's configuration for this service, with these two instances in place of those from Docker.
awk -v servers="$(printf '%s\\n' "${servers[@]}")" '
  /^[a-z]/ { keep = !/^(frontend|backend) / || $2 ~ /^(to-)?status-proxy$/ }
  !keep { next }
  /server-template/ { printf "%s", servers; next }
  1' haproxy/haproxy.cfg | sed "s/bind :9002/bind 127.0.0.1:$port/" >"$work/haproxy.cfg"
start "$port" "$work/haproxy.log" haproxy -f "$work/haproxy.cfg"
wait_ready "$port" status-proxy

produce() {
  for number in $(seq 1 "$1"); do
    redis-cli -p "$REDIS_PORT" publish "$run:wepp" "line $number" >/dev/null
    sleep 0.1
  done
}
produce 60 &
children+=($!)

# Watches by server-sent events, which curl can read. It reconnects with its last id, as a browser would.
watch() {
  local id=
  until grep -q '"line 60"' "$work/received" 2>/dev/null; do
    curl -sN --max-time 20 ${id:+-H "Last-Event-ID: $id"} "http://127.0.0.1:$port/$run:wepp/sse?history=100" >>"$work/received" || true
    id=$(sed -n 's/^id: //p' "$work/received" | tail -n 1)
    [ -z "$id" ] || echo "  reconnects after $id"
    sleep 0.1
  done
}
watch &
watcher=$!
children+=("$watcher")

sleep 2
viewed=0
curl -sSf "http://127.0.0.1:${ports[0]}/metrics" | grep -qx 'status_proxy_viewers 1' || viewed=1
kill -KILL "${children[viewed]}"
wait "${children[viewed]}" 2>/dev/null || true
echo "the viewer's instance was killed"
for _ in $(seq 1 200); do
  kill -0 "$watcher" 2>/dev/null || break
  grep -q '"line 60"' "$work/received" && break
  sleep 0.1
done

sed -n 's/.*"data":"\(line [0-9]*\)".*/\1/p' "$work/received" >"$work/lines"
seq -f 'line %.0f' 1 60 | diff - "$work/lines" >"$work/diff" || fail "lines are missing or came twice: $(head -n 5 "$work/diff")"
echo "the viewer received 60 lines, each once and in order: $(head -n 1 "$work/lines") … $(tail -n 1 "$work/lines")"
