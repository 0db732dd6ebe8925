#!/usr/bin/env bash
# a recorded run is replayed, and a viewer watches its checklist fill
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?scripts/demo.sh sets it}"

scratch

port=$(free_port) run=demo-$$
export REDIS_URL=redis://127.0.0.1:$REDIS_PORT
LISTEN_ADDR=127.0.0.1:$port DRAIN_DELAY=0s start "$port" "$work/log" "$BIN/preflight"
wait_ready "$port" preflight

"$BIN/examples/play_run" crates/run-events/examples/data/decimal-pleasing.jsonl --run "$run" --directory "$work" --speed 5 >"$work/played" &
children+=($!)
# watch-run ends when every entry is done and no lock is left.
timeout 60 "$BIN/examples/watch-run" "ws://127.0.0.1:$port/$run" | tee "$work/seen" || fail "the checklist did not fill"

count=$(wc -l <"$work/seen")
[ "$count" -ge 20 ] || fail "the viewer saw only $count different checklists"
grep -q '^ 0/13 ' "$work/seen" || fail "the viewer did not see the run from its beginning"
echo "$count different checklists, from 0 to all 13 entries done"
