#!/usr/bin/env bash
# five customers walk through a shop; two instances share one timeline, then one of them is killed
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}" "${MQTT_PORT:?likewise}"

scratch

customers=(amy bob cleo dan eve)
walk=("ENTER 935 50" "MOVE 935 120" "MOVE 860 180" "MOVE 720 180" "FOCUS 640 240" "MOVE 520 240" "MOVE 400 310" "MOVE 400 420"
  "FOCUS 480 500" "MOVE 610 500" "MOVE 780 430" "MOVE 900 300" "MOVE 935 130" "EXIT 935 50")

# scenario CUSTOMER: prints a scenario with a step every 300 ms. Its times are in the past.
scenario() {
  local step type x y steps=() time_ms=1618323771180
  for step in "${walk[@]}"; do
    read -r type x y <<<"$step"
    steps+=("{\"type\":\"$type\",\"location\":{\"x\":$x,\"y\":$y},\"timestamp\":$time_ms}")
    time_ms=$((time_ms + 300))
  done
  (IFS=, && printf '{"customer":{"customer_id":"%s"},"path":[%s]}' "$1" "${steps[*]}")
}

# Prints what a subscriber must receive for each customer, in this order.
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

# received CUSTOMER: prints what the subscriber has received for a customer since the file was last emptied, in the same form.
received() { grep -F "\"id\":\"$1\"" "$work/received" | sed -E 's/ \{.*"x":([0-9]+),"y":([0-9]+)\}/ \1 \2/; s/ \{.*//'; }

first=$(free_port) second=$(free_port)
export USE_REDIS_BACKEND=true REDIS_HOST=127.0.0.1 MQTT_HOST=127.0.0.1 DRAIN_DELAY=0s
LISTEN_ADDR=127.0.0.1:$first start "$first" "$work/first.log" "$BIN/scenario-player"
LISTEN_ADDR=127.0.0.1:$second start "$second" "$work/second.log" "$BIN/scenario-player"
second_pid=$!
for port in "$first" "$second"; do
  wait_ready "$port" "an instance"
done

print_numbered() {
  local line count=0
  while read -r line; do
    [[ $line == *'"id"'* ]] && printf '%5d  %s\n' $((++count)) "$line"
  done
}
mosquitto_sub -p "$MQTT_PORT" -q 1 -v -t 'customer/#' > >(tee -a "$work/received" | print_numbered) &
children+=($!)
for _ in {1..50}; do
  mosquitto_pub -p "$MQTT_PORT" -t customer/hello -n
  sleep 0.1
  ! grep -qs hello "$work/received" || break
done

post_all() {
  local i port
  : >"$work/received"
  for i in "${!customers[@]}"; do
    port=${ports[i % ${#ports[@]}]}
    scenario "${customers[i]}" | curl -sSf -H 'content-type: application/json' --data-binary @- \
      "http://127.0.0.1:$port/scenario?recalculate_time=true" >/dev/null
    sleep 0.2
  done
}

# Waits until every customer has left, and one second longer, in case a step is published twice.
wait_until_all_left() {
  local deadline=$((SECONDS + 20))
  until [ "$(grep -c customer/exit "$work/received")" -ge ${#customers[@]} ] || [ $SECONDS -ge $deadline ]; do sleep 0.1; done
  sleep 1
}

published() { curl -sSf "http://127.0.0.1:$1/metrics" | sed -n 's/^scenario_player_events_published_total //p'; }

expected >"$work/expected"
total=$((${#customers[@]} * ${#walk[@]}))

ports=("$first" "$second")
post_all
wait_until_all_left
for customer in "${customers[@]}"; do
  received "$customer" | diff "$work/expected" - || fail "the steps of $customer were not all received once and in order"
done
echo "$total steps of ${#customers[@]} customers, each once, each customer's in order:" \
  "$(published "$first") by the first instance, $(published "$second") by the second"

ports=("$first")
post_all
sleep 1
echo "       the second instance is killed (SIGKILL)"
{ kill -KILL "$second_pid" && wait "$second_pid"; } 2>/dev/null || true
wait_until_all_left
for customer in "${customers[@]}"; do
  # A step may be repeated if the instance was killed before it took the step off the timeline.
  received "$customer" | awk '!before[$0]++' | diff "$work/expected" - || fail "the steps of $customer were not all received in order"
done
echo "$total steps again, none lost, each customer's in order, $(($(grep -c '"id"' "$work/received") - total)) of them twice"
