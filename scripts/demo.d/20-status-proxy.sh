#!/usr/bin/env bash
# a run's lines are watched behind haproxy; one of two instances is killed, and no line is missed
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}"

scratch

port=$(free_port) run=demo-$$
export REDIS_URL=redis://127.0.0.1:$REDIS_PORT STATUS_HISTORY=redis DRAIN_DELAY=0s DRAIN_TIMEOUT=1s
servers=() ports=()
for instance in 1 2; do
  own=$(free_port)
  LISTEN_ADDR=127.0.0.1:$own start "$own" "$work/$instance.log" "$BIN/status-proxy"
  servers+=("    server $instance 127.0.0.1:$own")
  ports+=("$own")
done

# What haproxy's configuration says of this service, with these two instances instead of those that Docker knows.
awk -v servers="$(printf '%s\\n' "${servers[@]}")" '
  /^[a-z]/ { wanted = !/^(frontend|backend) / || $2 ~ /^(to-)?status-proxy$/ }
  !wanted { next }
  /server-template/ { printf "%s", servers; next }
  1' haproxy/haproxy.cfg | sed "s/bind :9002/bind 127.0.0.1:$port/" >"$work/haproxy.cfg"
start "$port" "$work/haproxy.log" haproxy -f "$work/haproxy.cfg"
curl -sSf --retry 50 --retry-delay 1 --retry-all-errors "http://127.0.0.1:$port/ready" >"$work/ready" 2>&1 ||
  fail "no instance becomes ready: $(cat "$work/ready")"

produce() {
  for number in $(seq 1 "$1"); do
    redis-cli -p "$REDIS_PORT" publish "$run:wepp" "line $number" >/dev/null
    sleep 0.1
  done
}
produce 60 &
children+=($!)

# Server-sent events, so that curl can watch: it comes back with the last id that it has, as a browser would.
watch() {
  local id=
  until grep -q '"line 60"' "$work/seen" 2>/dev/null; do
    curl -sN --max-time 20 ${id:+-H "Last-Event-ID: $id"} "http://127.0.0.1:$port/$run:wepp/sse?history=100" >>"$work/seen" || true
    id=$(sed -n 's/^id: //p' "$work/seen" | tail -n 1)
    [ -z "$id" ] || echo "  came back with $id"
    sleep 0.1
  done
}
watch &
watcher=$!
children+=("$watcher")

sleep 2
watched=0
curl -sSf "http://127.0.0.1:${ports[0]}/metrics" | grep -qx 'status_proxy_viewers 1' || watched=1
kill -KILL "${children[watched]}"
wait "${children[watched]}" 2>/dev/null || true
echo "the instance that had the viewer was killed"
for _ in $(seq 1 200); do
  kill -0 "$watcher" 2>/dev/null || break
  grep -q '"line 60"' "$work/seen" && break
  sleep 0.1
done

sed -n 's/.*"data":"\(line [0-9]*\)".*/\1/p' "$work/seen" >"$work/lines"
seq -f 'line %.0f' 1 60 | diff - "$work/lines" >"$work/diff" || fail "lines are missing or came twice: $(head -n 5 "$work/diff")"
echo "60 lines were seen, each once and in order: $(head -n 1 "$work/lines") … $(tail -n 1 "$work/lines")"
