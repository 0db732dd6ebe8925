#!/usr/bin/env bash
# one trace from a Kafka header to a viewer's line, one from a request to an MQTT message, in one collector
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}" "${MQTT_PORT:?likewise}"

scratch
trap 'exec 9>&-; stop_children; rm -rf "$work"' EXIT

# TRACES_TEST_FULL=1 sends the traces to OpenTelemetry's own collector, which is built first: some minutes, once.
if [ -n "${TRACES_TEST_FULL-}" ]; then
  use_go OTELCOL crates/test-support/otelcol
  [ -n "${OTELCOL-}" ] || fail "OpenTelemetry's collector could not be built"
  collector=$(free_port)
  LISTEN_ADDR=127.0.0.1:$collector start "$collector" "$work/collector.log" "$OTELCOL"
  export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$collector
  echo "the collector is OpenTelemetry's"
  # Of its lines `-> service.name: Str(NAME)`, `Trace ID : …`, `Parent ID : …`, `ID : …` and `Name : …` one for each span.
  spans() {
    awk -F ' *: ' -v OFS='\t' '
      / service.name: / { service = $2; gsub(/^Str\(|\)$/, "", service) }
      /^ +Trace ID / { trace = $2 }
      /^ +Parent ID / { parent = $2 }
      /^ +ID / { id = $2 }
      /^ +Name / { print service, $2, trace, id, parent }' "$work/collector.log"
  }
else
  "$BIN/examples/collector" >"$work/collector.log" &
  children+=($!)
  wait_for "the collector" grep -q ENDPOINT= "$work/collector.log"
  OTEL_EXPORTER_OTLP_ENDPOINT=$(sed -n 's/^.*ENDPOINT=//p' "$work/collector.log")
  export OTEL_EXPORTER_OTLP_ENDPOINT
  echo "the collector is a stand-in, which takes OTLP and prints spans; TRACES_TEST_FULL=1 takes OpenTelemetry's"
  spans() { grep -v ENDPOINT= "$work/collector.log"; }
fi

# span SERVICE NAME TRACE FIELD : a field of the last such span: 4 is its id, 5 its parent's.
span() { spans | awk -F '\t' -v field="$4" -v wanted="$1 $2 $3" '$1 " " $2 " " $3 == wanted { found = $field } END { print found }'; }
has_span() { [ -n "$(span "$@" 4)" ]; }
# show SERVICE NAME TRACE
show() { printf '  %-15s  %-17s  span %s of %s\n' "$1" "$2" "$(span "$@" 4)" "$(span "$@" 5)"; }

export REDIS_URL=redis://127.0.0.1:$REDIS_PORT DRAIN_DELAY=0s DRAIN_TIMEOUT=1s OTEL_BSP_SCHEDULE_DELAY=100

trace=$(printf '%032x' $$) run=traced-$$ topic=traced-$$
mkfifo "$work/messages"
"$BIN/examples/kafka_demo" "$topic" 1 "00-$trace-00f067aa0ba902b7-01" <"$work/messages" >"$work/kafka" &
children+=($!)
exec 9>"$work/messages"
wait_for "a broker" grep -q KAFKA_BROKER "$work/kafka"
# A real broker creates the topic when the first message comes.
echo '0 {"channel":"log","text":"the first"}' >&9
ingester=$(free_port) proxy=$(free_port) player=$(free_port)
KAFKA_BROKER=$(sed -n 's/^KAFKA_BROKER=//p' "$work/kafka") KAFKA_TOPIC=$topic KAFKA_GROUP=$topic LISTEN_ADDR=127.0.0.1:$ingester \
  KEY_TEMPLATE="$run:{channel}" ID_SET=none NOTIFY=fields start "$ingester" "$work/ingester.log" "$BIN/kafka-ingester"
LISTEN_ADDR=127.0.0.1:$proxy start "$proxy" "$work/proxy.log" "$BIN/status-proxy"
wait_ready "$ingester" kafka-ingester
wait_ready "$proxy" status-proxy
curl -sN "http://127.0.0.1:$proxy/$run:log/sse" >"$work/received" &
children+=($!)
# The viewer has to be there before the line: there is no history here.
sends_and_receives() {
  echo '0 {"channel":"log","text":"7 of 9 steps are done"}' >&9
  sleep 0.3
  grep -q '7 of 9' "$work/received"
}
wait_for "the line" sends_and_receives
echo "a Kafka message whose header names the trace $trace, as a viewer receives it:"
echo "  $(grep -m 1 '7 of 9' "$work/received")"
wait_for "a span of kafka-ingester" has_span kafka-ingester "apply a message" "$trace"
wait_for "a span of status-proxy" has_span status-proxy "send a line" "$trace"
sent_by=$(span status-proxy "send a line" "$trace" 5)
grep -q "00-$trace-$sent_by-01" "$work/received" || fail "the line does not name the span $sent_by, after which it was sent"
spans | grep -q "^kafka-ingester.apply a message.$trace.$sent_by" || fail "the span $sent_by is not one of kafka-ingester"
show kafka-ingester "apply a message" "$trace"
show status-proxy "send a line" "$trace"

trace=$(printf '%032x' $((1000000 + $$))) customer=traced-$$
USE_REDIS_BACKEND=true MQTT_HOST=127.0.0.1 LISTEN_ADDR=127.0.0.1:$player start "$player" "$work/player.log" "$BIN/scenario-player"
wait_ready "$player" scenario-player
mosquitto_sub -V 5 -p "$MQTT_PORT" -q 1 -t 'customer/#' -F '%t %p %P' >"$work/messages.log" &
children+=($!)
posts_and_receives() {
  curl -sSf -o "$work/posted" -H 'content-type: application/json' -H "traceparent: 00-$trace-00f067aa0ba902b7-01" \
    -d '{"customer":{"customer_id":"'"$customer"'"},"path":[{"type":"ENTER","location":{"x":1,"y":2},"timestamp":1}]}' \
    "http://127.0.0.1:$player/scenario?recalculate_time=true"
  sleep 0.5
  grep -q "$customer" "$work/messages.log"
}
wait_for "the step" posts_and_receives
echo "a request with the trace $trace, and the MQTT message with its user property:"
echo "  $(grep -m 1 "$customer" "$work/messages.log")"
grep -q "$customer.*traceparent.*00-$trace-" "$work/messages.log" || fail "the message does not name the trace"
wait_for "a span of the request" has_span scenario-player "POST /scenario" "$trace"
wait_for "a span of the message" has_span scenario-player "publish a message" "$trace"
show scenario-player "POST /scenario" "$trace"
show scenario-player "publish a message" "$trace"
