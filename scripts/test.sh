#!/usr/bin/env bash
# Installs what is missing, then runs every test. Arguments go to `cargo test`: `scripts/test.sh -p preflight`.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || set -- --workspace

need python3 kill redis-server mosquitto haproxy chromium chromedriver
use_python

# On a busy machine a server may take its time; tests that pass do not wait for this.
export TEST_PATIENCE_S=${TEST_PATIENCE_S:-60}

# On a terminal Cargo shows a bar; elsewhere it would be a line for each of hundreds of crates.
quiet=() foreground=()
if [ -t 2 ]; then foreground=(--foreground); else quiet=(--quiet); fi

say "building the tests (some minutes the first time)"
cargo test --locked "${quiet[@]}" "$@" --no-run

say "running the tests"
# The time limit is for a test that hangs; all of them take a fraction of it.
timeout "${foreground[@]}" "${TEST_TIMEOUT:-45m}" cargo test --locked "$@" </dev/null 2>&1 | tee "$target/test.log" ||
  fail "the tests failed, or took longer than ${TEST_TIMEOUT:-45m}; all of the output is in $target/test.log"

awk '/^test result: ok/ { passed += $4; ignored += $8; runs++ }
  END { printf "\n== %d tests passed in %d test programs, %d ignored\n", passed, runs, ignored }' "$target/test.log"
[ -n "${BACKPLANE_PYTHON-}" ] || say "NOT run: what needs the Python packages (see above)"
