#!/usr/bin/env bash
# sixty games end; two workers share them and write each game once; then a podium is read from the Parquet files
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}"

scratch

export REDIS_HOST=127.0.0.1 ETL_OUTPUT=$work/superhero WORKER_CHANNEL=lib.server.lobby CLEAN_ROUTINE=True REDIS_EXPIRY=2 DRAIN_DELAY=0s
ports=()
for worker in one two; do
  port=$(free_port)
  ports+=("$port")
  ETL_WORKER=$worker LISTEN_ADDR=127.0.0.1:$port start "$port" "$work/$worker.log" "$BIN/etl-worker"
done
for worker in one two; do
  for _ in {1..100}; do
    grep -q 'listening on channel' "$work/$worker.log" && break
    sleep 0.1
  done
done

echo "the game server plays 60 games of 8 players, and publishes 480 messages that they have ended"
"$BIN/examples/simulate-games" --games 60 --rate 60 --seed 2026 >"$work/expected"

committed() { curl -sS "http://127.0.0.1:$1/metrics" | sed -n 's/^etl_worker_jobs_total{result="committed"} //p'; }
for _ in {1..100}; do
  first=$(committed "${ports[0]}") second=$(committed "${ports[1]}")
  [ $((${first:-0} + ${second:-0})) -ge 60 ] && break
  sleep 0.1
done
echo "worker one wrote ${first:-0} of them, worker two wrote ${second:-0}"
[ $((${first:-0} + ${second:-0})) -eq 60 ] || fail "not every game was written exactly once: $(tail -n 3 "$work"/*.log)"

"$BIN/etl-worker" compact
"$BIN/examples/print-podium" --json "$ETL_OUTPUT" | sort >"$work/actual"
sort "$work/expected" | cmp - "$work/actual" || fail "the files do not have the rows of the games"
echo "the files have every player of every game exactly once, with the right numbers; the podium of one game:"
echo
"$BIN/examples/print-podium" "$ETL_OUTPUT"
