#!/usr/bin/env bash
# object-store: speed and memory, compared with a bare loop of the same frames, the released server and redis-benchmark.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"

scratch
export LOG_LEVEL=ERROR DRAIN_DELAY=0s
load=$BIN/examples/store-load

node() { # VARS… ; sets target
  local port
  port=$(free_port)
  start "$port" "$work/node-$port.log" env "$@" LISTEN_ADDR="127.0.0.1:$(free_port)" \
    OBJECT_STORE_ADDRESS="tcp://127.0.0.1:$port" "$BIN/object-store"
  target=$port,${children[-1]}
}
released() { # sets target
  local port
  port=$(free_port)
  start "$port" "$work/released.log" scaler_object_storage_server "tcp://127.0.0.1:$port" --logging-level ERROR
  target=$port,${children[-1]}
}
has_released() { type -P scaler_object_storage_server >/dev/null; }
measure() { timeout 280 "$load" "$@" || fail "the load failed"; }

if has_released; then
  released
  theirs=$target
else
  theirs=
  echo "the released server is not installed here: no comparison with it"
fi
node
ours=$target
port=$(free_port)
start "$port" "$work/bare.log" "$load" bare "$port"
measure memory "$port,${children[-1]}" "$ours" ${theirs:+"$theirs"}
stop_children

echo "ours"
node
measure resident "$target"
if has_released; then
  echo "released"
  released
  measure resident "$target"
fi
stop_children

redis=$(free_port)
start "$redis" "$work/redis.log" redis-server --port "$redis" --bind 127.0.0.1 --save '' --dir "$work"
redis_target=$redis,${children[-1]}
on_redis=(OBJECT_STORE_BACKEND=redis "REDIS_URL=redis://127.0.0.1:$redis")
node "${on_redis[@]}"
one=$target
node "${on_redis[@]}"
two=$target
node
measure redis "$one" "$two" "$target" "$redis_target"
port=$(free_port)
start "$port" "$work/bare.log" "$load" bare "$port"
measure floor "$port,${children[-1]}" "$redis_target"
stop_children

redis=$(free_port)
replica=$(free_port)
start "$redis" "$work/redis.log" redis-server --port "$redis" --bind 127.0.0.1 --save '' --dir "$work"
start "$replica" "$work/replica.log" redis-server --port "$replica" --bind 127.0.0.1 --save '' --dir "$work" \
  --replicaof 127.0.0.1 "$redis"
until redis-cli -p "$redis" INFO replication | grep -q state=online; do sleep 0.1; done
on_redis=(OBJECT_STORE_BACKEND=redis "REDIS_URL=redis://127.0.0.1:$redis")
node "${on_redis[@]}"
without=$target
node "${on_redis[@]}" REDIS_WAIT_REPLICAS=1
measure wait "$without" "$target"
stop_children

# Last, since the machine writes 9 GiB to its disk meanwhile.
node OBJECT_STORE_MAX_MEMORY=1GB "OBJECT_STORE_SPILL_DIR=$work"
spilling=$target
node
measure spill "$spilling" "$target"
