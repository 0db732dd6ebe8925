#!/usr/bin/env bash
# Tests deploy/ on a real Docker engine, in a Compose project of its own:
# `scripts/check_stack.sh [-f FILE…] [paths|addresses|scale|kill|restart…]`, all of them if none is named, with more Compose files if any
# are. Fails if one of the six paths does not work, if another machine reaches what it should not, or if more is lost or
# repeated than the services promise while containers are scaled, killed and restarted under load.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/docker.sh
use_compose || fail "there is no Docker engine with Compose"
while [ "${1-}" = -f ]; do
  compose+=(-f "$2")
  shift 2
done
[ $# -gt 0 ] || set -- paths addresses scale kill restart
compose+=(--project-name backplane-check)

need python3
use_python deploy/check/requirements.txt check-stack-venv

# expect_reached NAMES : fails if these are not the ports that a container of another network reaches on this machine.
expect_reached() {
  local reached ports=() variable
  for variable in "${!PORT_@}"; do ports+=(--env "$variable"); done
  reached=$("${docker[@]}" run --rm --network bridge "${ports[@]}" --entrypoint python3 backplane/check reach.py)
  [ "$reached" = "$1" ] || fail "with PUBLISH_ADDRESS=${PUBLISH_ADDRESS:-127.0.0.1} another machine reaches '$reached', not '$1'"
  say "with PUBLISH_ADDRESS=${PUBLISH_ADDRESS:-127.0.0.1} another machine reaches ${1:-nothing}"
}

check_addresses() {
  local publish=("${compose[@]}" up --detach --no-build --no-deps haproxy)
  expect_reached ""
  PUBLISH_ADDRESS=0.0.0.0 quietly check-stack-up.log "haproxy could not be started again" "${publish[@]}"
  PUBLISH_ADDRESS=0.0.0.0 expect_reached "ENTRY SCENARIO_PLAYER PREFLIGHT STATUS_PROXY OBJECT_STORE STATISTICS"
  quietly check-stack-up.log "haproxy could not be started again" "${publish[@]}"
}

trap 'quietly check-stack-down.log "the stack could not be removed completely" "${compose[@]}" down --volumes' EXIT
trap 'exit 130' INT TERM
say "building the images and starting the stack"
quietly check-stack-build.log "the images could not be built" "${compose[@]}" --profile check build
quietly check-stack-up.log "the stack could not be started" "${compose[@]}" up --detach
disruptions=()
for check; do
  case $check in
    paths) "${compose[@]}" run --rm -T check ;;
    addresses) check_addresses ;;
    scale | kill | restart) disruptions+=("$check") ;;
    *) fail "usage: scripts/check_stack.sh [-f FILE…] [paths|addresses|scale|kill|restart…]" ;;
  esac
done
[ ${#disruptions[@]} -eq 0 ] || COMPOSE="${compose[*]}" DOCKER="${docker[*]}" "${BACKPLANE_PYTHON:?the packages of deploy/check/requirements.txt}" deploy/check/chaos.py "${disruptions[@]}"
say "all checks passed"
