#!/usr/bin/env bash
# five customers walk through a shop; two instances share one timeline, then one of them is killed
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}" "${MQTT_PORT:?likewise}"

scratch

customers=(amy bob cleo dan eve)
walk=("ENTER 935 50" "MOVE 935 120" "MOVE 860 180" "MOVE 720 180" "FOCUS 640 240" "MOVE 520 240" "MOVE 400 310" "MOVE 400 420"
  "FOCUS 480 500" "MOVE 610 500" "MOVE 780 430" "MOVE 900 300" "MOVE 935 130" "EXIT 935 50")

# scenario CUSTOMER : as a client posts it, with times long past; a step every 300 ms.
scenario() {
  local step type x y steps=() at=1618323771180
  for step in "${walk[@]}"; do
    read -r type x y <<<"$step"
    steps+=("{\"type\":\"$type\",\"location\":{\"x\":$x,\"y\":$y},\"timestamp\":$at}")
    at=$((at + 300))
  done
  (IFS=, && printf '{"customer":{"customer_id":"%s"},"path":[%s]}' "$1" "${steps[*]}")
}

# What a subscriber must see of each customer, in this order.
expected() {
  local step type x y
  for step in "${walk[@]}"; do
    read -r type x y <<<"$step"
    case $type in
      MOVE | FOCUS) echo "customer/move $x $y" ;;
      *) echo "customer/${type,,}" ;;
    esac
  done
}

# seen CUSTOMER : what the subscriber saw of one since the last `: >"$work/seen"`, in the same form.
seen() { grep -F "\"id\":\"$1\"" "$work/seen" | sed -E 's/ \{.*"x":([0-9]+),"y":([0-9]+)\}/ \1 \2/; s/ \{.*//'; }

first=$(free_port) second=$(free_port)
export USE_REDIS_BACKEND=true REDIS_HOST=127.0.0.1 MQTT_HOST=127.0.0.1 DRAIN_DELAY=0s
LISTEN_ADDR=127.0.0.1:$first start "$first" "$work/first.log" "$BIN/scenario-player"
LISTEN_ADDR=127.0.0.1:$second start "$second" "$work/second.log" "$BIN/scenario-player"
second_pid=$!
for port in "$first" "$second"; do
  curl -sSf --retry 50 --retry-delay 1 --retry-all-errors "http://127.0.0.1:$port/ready" >"$work/ready" 2>&1 ||
    fail "an instance does not become ready: $(cat "$work/ready")"
done

show() {
  local line count=0
  while read -r line; do
    [[ $line == *'"id"'* ]] && printf '%5d  %s\n' $((++count)) "$line"
  done
}
mosquitto_sub -p "$MQTT_PORT" -q 1 -v -t 'customer/#' > >(tee -a "$work/seen" | show) &
children+=($!)
for _ in {1..50}; do
  mosquitto_pub -p "$MQTT_PORT" -t customer/hello -n
  sleep 0.1
  ! grep -qs hello "$work/seen" || break
done

enter_all() {
  local place port
  : >"$work/seen"
  for place in "${!customers[@]}"; do
    port=${ports[place % ${#ports[@]}]}
    scenario "${customers[place]}" | curl -sSf -H 'content-type: application/json' --data-binary @- \
      "http://127.0.0.1:$port/scenario?recalculate_time=true" >/dev/null
    sleep 0.2
  done
}

# Waits until everybody has left, and a moment longer for a step that comes twice.
all_left() {
  local deadline=$((SECONDS + 20))
  until [ "$(grep -c customer/exit "$work/seen")" -ge ${#customers[@]} ] || [ $SECONDS -ge $deadline ]; do sleep 0.1; done
  sleep 1
}

published() { curl -sSf "http://127.0.0.1:$1/metrics" | sed -n 's/^scenario_player_events_published_total //p'; }

expected >"$work/expected"
total=$((${#customers[@]} * ${#walk[@]}))

ports=("$first" "$second")
enter_all
all_left
for customer in "${customers[@]}"; do
  seen "$customer" | diff "$work/expected" - || fail "the steps of $customer are not all there once and in order"
done
echo "$total steps of ${#customers[@]} customers, each once, each customer's in order:" \
  "$(published "$first") by the first instance, $(published "$second") by the second"

ports=("$first")
enter_all
sleep 1
echo "       the second instance is killed (SIGKILL)"
{ kill -KILL "$second_pid" && wait "$second_pid"; } 2>/dev/null || true
all_left
for customer in "${customers[@]}"; do
  # A step may come again if its acknowledgement died with the instance.
  seen "$customer" | awk '!before[$0]++' | diff "$work/expected" - || fail "the steps of $customer are not all there in order"
done
echo "$total steps again, none lost, each customer's in order, $(($(grep -c '"id"' "$work/seen") - total)) of them twice"
