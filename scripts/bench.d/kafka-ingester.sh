#!/usr/bin/env bash
# Measures kafka-ingester and prints each figure beside its limit. It uses the broker of KAFKA_BROKER, or librdkafka's mock
# cluster, and a stand-in for a schema registry.
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
service=services/kafka-ingester
mkdir "$work/registry"
python3 - $service/examples/kafka_bench/battery.avsc >"$work/registry/state.json" <<'PYTHON'
import json, sys
print(json.dumps({"schemas": [{"schema": open(sys.argv[1]).read()}], "subjects": {}}))
PYTHON
REGISTRY_PORT=$(free_port)
export REGISTRY_URL=http://127.0.0.1:$REGISTRY_PORT
start "$REGISTRY_PORT" "$work/registry.log" python3 $service/tests/stand_in_registry.py "$REGISTRY_PORT" "$work/registry"
ORIGINAL_RATE=$("$BACKPLANE_PYTHON" "$(dirname "$0")/kafka-ingester.py" "$REDIS_PORT")
export ORIGINAL_RATE
timeout 900 "$BIN/examples/kafka_bench"
