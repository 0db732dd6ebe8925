#!/usr/bin/env bash
# Measures kafka-ingester and prints each figure beside its limit. It uses the broker of KAFKA_BROKER, or librdkafka's mock
# cluster.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"
[ -n "${BACKPLANE_PYTHON-}" ] || fail "the loop of RedisBackendMS needs the packages of scripts/requirements.txt"

scratch
REDIS_PORT=$(free_port)
export REDIS_PORT
start "$REDIS_PORT" "$work/redis.log" redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --dir "$work"
REPLICA_PORT=$(free_port)
export REPLICA_PORT
start "$REPLICA_PORT" "$work/replica.log" redis-server --port "$REPLICA_PORT" --bind 127.0.0.1 --save '' --dir "$work"
ORIGINAL_RATE=$("$BACKPLANE_PYTHON" "$(dirname "$0")/kafka-ingester.py" "$REDIS_PORT")
export ORIGINAL_RATE
timeout 900 "$BIN/examples/kafka_bench"
