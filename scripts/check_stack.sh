#!/usr/bin/env bash
# Tests deploy/ on a real Docker engine, in a Compose project of its own:
# `scripts/check_stack.sh [-f FILE…] [paths|scale|kill|restart…]`, all of them if none is named, with more Compose files if any
# are. Fails if one of the six paths does not work, or if more is lost or repeated than the services promise while containers
# are scaled, killed and restarted under load.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/docker.sh
use_compose || fail "there is no Docker engine with Compose"
while [ "${1-}" = -f ]; do
  compose+=(-f "$2")
  shift 2
done
[ $# -gt 0 ] || set -- paths scale kill restart
compose+=(--project-name backplane-check)

need python3
use_python deploy/check/requirements.txt check-stack-venv

trap 'quietly check-stack-down.log "the stack could not be removed completely" "${compose[@]}" down --volumes' EXIT
trap 'exit 130' INT TERM
say "building the images and starting the stack"
quietly check-stack-build.log "the images could not be built" "${compose[@]}" --profile check build
quietly check-stack-up.log "the stack could not be started" "${compose[@]}" up --detach
disruptions=()
for check; do
  case $check in
    paths) "${compose[@]}" run --rm -T check ;;
    scale | kill | restart) disruptions+=("$check") ;;
    *) fail "usage: scripts/check_stack.sh [-f FILE…] [paths|scale|kill|restart…]" ;;
  esac
done
[ ${#disruptions[@]} -eq 0 ] || COMPOSE="${compose[*]}" DOCKER="${docker[*]}" "${BACKPLANE_PYTHON:?the packages of deploy/check/requirements.txt}" deploy/check/chaos.py "${disruptions[@]}"
say "all checks passed"
