#!/usr/bin/env bash
# a Python program builds a run, and the client libraries follow it, in Python and in node
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:?scripts/demo.sh sets it}" "${REDIS_PORT:?likewise}"
[ -n "${BACKPLANE_PYTHON-}" ] || {
  echo "NOT shown: the Python packages could not be installed"
  exit 0
}

scratch
export REDIS_URL=redis://127.0.0.1:$REDIS_PORT PYTHONPATH=clients/python
port=$(free_port) run=built-$$
channels=(log build_landuse build_soils build_climate)
LISTEN_ADDR=127.0.0.1:$port DRAIN_DELAY=0s start "$port" "$work/status-proxy.log" "$BIN/status-proxy"
wait_ready "$port" status-proxy

# follow NAME COMMAND… : starts an example that follows the run, and waits until it does.
followers=()
follow() {
  local name=$1
  shift
  "$@" "http://127.0.0.1:$port" "$run" "${channels[@]}" >"$work/$name" 2>"$work/$name.states" &
  children+=($!)
  wait_for "$name" grep -q open "$work/$name.states"
  followers+=("$name")
}
follow Python "$BACKPLANE_PYTHON" clients/python/examples/follow_run.py
if type -P node >/dev/null; then
  follow node node clients/js/examples/follow-run.mjs
else
  echo "NOT shown: node (it is not installed)"
fi

mkdir "$work/$run"
"$BACKPLANE_PYTHON" clients/python/examples/build_run.py "$work/$run"
for name in "${followers[@]}"; do
  wait_for "the last line in $name" grep -q 'the run is built' "$work/$name"
  [ "$(wc -l <"$work/$name")" -eq 13 ] || fail "$name got other lines than the 13 that were published: $(cat "$work/$name")"
done
sed 's/^/  /' "$work/Python"
echo "13 lines, each once, in: ${followers[*]}"
echo "the run's hash: $(redis-cli -p "$REDIS_PORT" hgetall "$run" | paste -sd ' ')"
