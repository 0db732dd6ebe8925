#!/usr/bin/env bash
# scripts/demo.sh without Docker: the services as processes, with a Redis and a Mosquitto of their own. With CHECK set it
# ends without waiting for anybody.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

say "this takes about two minutes, and the first time some ten more. The services run as processes: installing what is missing, and building"
need python3 kill redis-server redis-cli mosquitto mosquitto_sub curl haproxy
use_python

quiet=()
[ -t 2 ] || quiet=(--quiet)
cargo build --locked "${quiet[@]}" --workspace --bins --examples
export BIN=$target/debug

scratch
REDIS_PORT=$(free_port) MQTT_PORT=$(free_port)
export REDIS_PORT MQTT_PORT
start "$REDIS_PORT" "$work/redis.log" redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --dir "$work" \
  --notify-keyspace-events KEA
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$MQTT_PORT" >"$work/mosquitto.conf"
start "$MQTT_PORT" "$work/mosquitto.log" mosquitto -c "$work/mosquitto.conf"
say "Redis on 127.0.0.1:$REDIS_PORT, Mosquitto on 127.0.0.1:$MQTT_PORT"

failed=() number=0
scripts=(scripts/demo.d/*.sh)
for script in "${scripts[@]}"; do
  name=$(basename "$script" .sh) number=$((number + 1))
  say "$number of ${#scripts[@]}, ${name#*-}: $(sed -n '2s/^# //p' "$script")"
  # Each ends by itself within 30 s. The limit is for one that hangs.
  if [ -n "${CHECK-}" ]; then set -- timeout 120 "$script"; else set -- "$script"; fi
  "$@" </dev/null || failed+=("${name#*-}")
done
[ ${#failed[@]} -eq 0 ] || fail "these demos failed: ${failed[*]}"
say "all demos passed"
[ -z "${CHECK-}" ] || exit 0

# serve NAME PORT VARIABLE=VALUE… : the service on its usual port, or on a free one if that is taken; `page` is its URL.
serve() {
  local name=$1 port=$2
  shift 2
  if is_open "$port"; then port=$(free_port); fi
  start "$port" "$work/$name.log" env REDIS_URL="redis://127.0.0.1:$REDIS_PORT" LISTEN_ADDR="127.0.0.1:$port" "$@" "$BIN/$name"
  page=http://localhost:$port
}

# Customers who walk in circles, and a run that is built again and again.
serve scenario-player 8000 USE_REDIS_BACKEND=true MQTT_HOST=127.0.0.1
shop=$page
for customer in amy bob cleo dan eve; do
  curl -sSf -X POST -d '{"speed":0.2,"loop":true}' "$shop/scenarios/$customer/replay" >/dev/null
  sleep 1
done
serve preflight 9001
checklist=$page
serve status-proxy 9002 STATUS_HISTORY=redis
lines=$page
play() {
  trap 'kill $!; exit' TERM
  while :; do
    "$BIN/examples/play_run" crates/run-events/examples/data/decimal-pleasing.jsonl --directory "$work" &
    wait $!
    sleep 5 &
    wait $!
  done
}
REDIS_URL=redis://127.0.0.1:$REDIS_PORT play >"$work/run.log" 2>&1 &
children+=($!)

say "to look at, until Ctrl-C"
cat <<END
the shop, live           $shop/
  its HTTP, to try       $shop/docs/
  its messages           mosquitto_sub -p $MQTT_PORT -v -t 'customer/#'
a run's checklist, live  $checklist/?run=decimal-pleasing
its status lines         $lines/?run=decimal-pleasing&channel=wepp
Redis                    redis-cli -p $REDIS_PORT
END
wait
