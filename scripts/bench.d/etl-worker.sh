#!/usr/bin/env bash
# etl-worker: games per second compared with the same job in Python, latency, memory, and reading after a compaction.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/bench.sh sets it}"
[ -n "${BACKPLANE_PYTHON-}" ] || fail "the same job in Python needs the packages of scripts/requirements.txt"

scratch "$target/bench.XXXXXX" # on the disk that is measured; /tmp may be memory

redis=$(free_port)
replica=$(free_port)
start "$redis" "$work/redis.log" redis-server --port "$redis" --bind 127.0.0.1 --save '' --dir "$work"
start "$replica" "$work/replica.log" redis-server --port "$replica" --bind 127.0.0.1 --save '' --dir "$work"
timeout 600 "$BACKPLANE_PYTHON" "$(dirname "$0")/etl-worker.py" "$BIN" "$work" "$redis" "$(free_port)" "$replica"
