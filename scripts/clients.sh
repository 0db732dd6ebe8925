#!/usr/bin/env bash
# Tests the client libraries (clients/) against the services' debug binaries, and builds their packages into target/clients.
# Arguments: `test`, `pack`, or none for both. CLIENTS_TEST_FULL=1: ten minutes of faults for each language. CLIENTS_BUILT=1: the
# binaries are there. CLIENTS_PYTHON: the newest Python, where it is not on the PATH.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || set -- test pack

newest_python() {
  local version
  [ -z "${CLIENTS_PYTHON-}" ] || { echo "$CLIENTS_PYTHON"; return; }
  for version in 3.14 3.13 3.12; do
    "python$version" -c 'import venv, ensurepip' 2>/dev/null && echo "python$version" && return
  done
  return 0
}

# test_python NAME INTERPRETER
test_python() {
  local venv=$target/clients-venv-$1
  if ! cmp -s clients/python/requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    quietly pip.log "the Python packages could not be installed" bash -c \
      "'$2' -m venv '$venv' && timeout 300 '$venv/bin/pip' install -q --disable-pip-version-check -r clients/python/requirements.txt"
    cp clients/python/requirements.txt "$venv/requirements.txt"
  fi
  say "clients/python on $("$venv/bin/python" --version)"
  (cd clients/python && "$venv/bin/python" -m unittest) </dev/null
}

run_tests() {
  local newest
  use_node clients-node ws@8.23.0
  if [ "${CLIENTS_BUILT-}" != 1 ]; then
    say "building the services"
    cargo build --quiet --locked -p status-proxy -p preflight
  fi
  say "clients/js on node $(node --version)"
  (cd clients/js && npm test --silent) </dev/null
  test_python debian /usr/bin/python3
  newest=$(newest_python)
  if [ -n "$newest" ]; then test_python newest "$newest"; else say "NOT run: no newer Python is here"; fi
}

pack() {
  local out=$target/clients size
  rm -rf "$out" && mkdir -p "$out"
  size=$(gzip -9c clients/js/backplane.js | wc -c)
  [ "$size" -lt 5120 ] || fail "clients/js/backplane.js is $size bytes compressed; at most 5,119 are allowed"
  (cd clients/js && npm pack --silent --pack-destination "$out") </dev/null
  # In a copy: setuptools writes beside the source.
  cp -r clients/python "$out/source"
  quietly build.log "the Python package could not be built" bash -c \
    "python3 -m venv '$out/venv' && '$out/venv/bin/pip' install -q --disable-pip-version-check build==1.6.1 && '$out/venv/bin/python' -m build --outdir '$out' '$out/source'"
  rm -rf "$out/source" "$out/venv"
  say "packed: $(cd "$out" && echo *) (the script of the npm package has $size bytes compressed)"
}

need python3 redis-server chromedriver
for part; do
  case $part in
    test) run_tests ;;
    pack) pack ;;
    *) fail "unknown argument $part: test or pack" ;;
  esac
done
