#!/usr/bin/env bash
# Shows the services at work, one after the other, and then prints what to look at, until Ctrl-C. With a Docker engine and
# Compose it starts the whole stack of deploy/; without, or with `--local`, processes on this machine. `--check` does the
# same without waiting for anybody, and exits with 0 only if everything that it shows did happen.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/docker.sh

local=
for argument; do
  case $argument in
    --check) export CHECK=1 ;;
    --local) local=1 ;;
    *) fail "usage: scripts/demo.sh [--local] [--check]" ;;
  esac
done
[ -n "$local" ] || ! use_compose || exec scripts/demo_docker.sh
exec scripts/demo_local.sh
