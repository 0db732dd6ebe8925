#!/usr/bin/env bash
# batteries report through Kafka; one of two instances is killed; a bad message becomes a dead letter and is replayed
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}"

scratch
trap 'exec 9>&-; stop_children; rm -rf "$work"' EXIT
redis() { redis-cli -p "$REDIS_PORT" "$@"; }

export KAFKA_TOPIC=demo-$$ KAFKA_GROUP=demo-$$ REDIS_HOST=127.0.0.1 DRAIN_DELAY=0s
export KAFKA_CONF_SESSION_TIMEOUT_MS=6000 KAFKA_CONF_HEARTBEAT_INTERVAL_MS=300
mkfifo "$work/messages"
"$BIN/examples/kafka_demo" "$KAFKA_TOPIC" 2 <"$work/messages" >"$work/kafka" &
children+=($!)
exec 9>"$work/messages"
wait_for "a broker" grep -q KAFKA_BROKER "$work/kafka"
KAFKA_BROKER=$(sed -n 's/^KAFKA_BROKER=//p' "$work/kafka")
export KAFKA_BROKER

# report BATTERY SOC : sends a report. The battery's number decides its partition.
report() { echo "$(($1 % 2)) {\"battery_id\": $1, \"soc\": $2, \"voltage\": 402.50}" >&9; }
has_soc() { [ "$(redis hget "battery:$1:data" soc)" = "$2" ]; }

redis-cli -p "$REDIS_PORT" psubscribe 'battery:*:data' >"$work/notifications" &
children+=($!)
# A real broker creates the topic when the first message comes.
report 1 50
first=$(free_port) second=$(free_port)
LISTEN_ADDR=127.0.0.1:$first start "$first" "$work/first.log" "$BIN/kafka-ingester"
first_pid=$!
LISTEN_ADDR=127.0.0.1:$second start "$second" "$work/second.log" "$BIN/kafka-ingester"
owns_partitions() { curl -sf "http://127.0.0.1:$1/metrics" | grep -q "^kafka_ingester_partitions $2\$"; }
wait_for "both instances to have a partition" owns_partitions "$first" 1
wait_for "both instances to have a partition" owns_partitions "$second" 1
echo "two instances have a partition each"

for battery in {1..6}; do report "$battery" $((70 + battery)); done
wait_for "the reports in Redis" has_soc 6 76
echo "battery:6:data        $(redis hgetall battery:6:data | paste -sd ' ')"
has_all_ids() { [ "$(redis scard info:batteries:ids)" -ge 6 ]; }
wait_for "all ids" has_all_ids
echo "info:batteries:ids    $(redis smembers info:batteries:ids | sort -n | paste -sd ' ')"
has_all_notifications() { [ "$(grep -c '^updates' "$work/notifications")" -ge 7 ]; }
wait_for "a notification of each" has_all_notifications
echo "notifications         $(grep -c '^updates' "$work/notifications")"

kill -KILL "$first_pid"
wait "$first_pid" 2>/dev/null || true
for battery in {1..6}; do report "$battery" $((80 + battery)); done
wait_for "the other instance to take over" has_soc 5 85
wait_for "the other instance to take over" has_soc 6 86
echo "one was killed, the other took over, and nothing was lost or sent twice: $(grep -c '^updates' "$work/notifications") notifications"
[ "$(grep -c '^updates' "$work/notifications")" -eq 13 ] || fail "13 messages made $(grep -c '^updates' "$work/notifications") notifications"

redis set battery:9:data 'not a hash' >/dev/null
report 9 99
report 1 91
wait_for "the next message of the partition" has_soc 1 91
echo "a message that Redis refuses becomes a dead letter, and the next one is applied:"
REDIS_PORT=$REDIS_PORT "$BIN/kafka-ingester" dead-letters list
redis del battery:9:data >/dev/null
"$BIN/kafka-ingester" dead-letters replay
has_soc 9 99 || fail "the dead letter was not replayed"
