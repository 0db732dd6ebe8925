#!/usr/bin/env bash
# an unmodified opengris-scaler cluster computes over two nodes that share Redis
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}"

scratch

first=$(free_port) second=$(free_port) first_http=$(free_port) second_http=$(free_port)
export OBJECT_STORE_BACKEND=redis REDIS_URL=redis://127.0.0.1:$REDIS_PORT/9 DRAIN_DELAY=0s
export OBJECT_STORE_TOKEN=secret token='Authorization: Bearer secret'
OBJECT_STORE_ADDRESS=tcp://127.0.0.1:$first LISTEN_ADDR=127.0.0.1:$first_http start "$first" "$work/first.log" "$BIN/object-store"
OBJECT_STORE_ADDRESS=tcp://127.0.0.1:$second LISTEN_ADDR=127.0.0.1:$second_http start "$second" "$work/second.log" "$BIN/object-store"
for port in "$first_http" "$second_http"; do
  wait_ready "$port" "a node"
done

echo "an object is stored on one node with curl, and read from the other"
curl -sSf -H "$token" -X PUT --data-binary 'from one node to the other' "http://127.0.0.1:$first_http/objects/c0ffee"
[ "$(curl -sSf -H "$token" "http://127.0.0.1:$second_http/objects/c0ffee")" = 'from one node to the other' ] || fail "the other node returned something else"
curl -sSf -H "$token" "http://127.0.0.1:$second_http/info" && echo

echo "a Python program uses the original's class, over the first node"
OBJECT_STORE_HTTP_URL=http://127.0.0.1:$first_http PYTHONPATH=services/object-store/clients/python PYTHONDONTWRITEBYTECODE=1 \
  "${BACKPLANE_PYTHON:-python3}" -c '
from backplane.object_storage import RedisObjectStorageBackend
store = RedisObjectStorageBackend(max_object_size_mb=10)
print("put", store.put(b"demo", b"from Python", b"text/plain"), "get", store.get(b"demo"), "exists", store.exists(b"demo"))
print("delete", store.delete(b"demo"), "get", store.get(b"demo"), "objects", store.get_info()["object_count"])'

if "${BACKPLANE_PYTHON:-python3}" -c 'import scaler' 2>/dev/null; then
  echo "a real cluster: its scheduler and workers use one node, its client the other"
  "$BACKPLANE_PYTHON" services/object-store/tests/peer/cluster.py "tcp://127.0.0.1:$first" "tcp://127.0.0.1:$first" \
    "tcp://127.0.0.1:$second" --tasks 300 --largest 1000000 2>"$work/cluster.log" ||
    fail "the cluster failed: $(tail -n 20 "$work/cluster.log")"
else
  echo "opengris-scaler is not installed here, so a Rust program uses the store instead:"
  "$BIN/examples/library"
fi
