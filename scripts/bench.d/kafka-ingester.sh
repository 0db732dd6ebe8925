#!/usr/bin/env bash
# Ratios of kafka-ingester beside its limits. KAFKA_BROKER: a real broker; otherwise librdkafka's mock cluster.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

work=$(mktemp -d)
trap 'stop_children; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
REDIS_PORT=$(free_port)
export REDIS_PORT
start "$REDIS_PORT" "$work/redis.log" redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --dir "$work"
timeout 300 "$BIN/examples/kafka_bench"
