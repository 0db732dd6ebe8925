#!/usr/bin/env bash
# Removes the containers and the image that scripts/simulate_cicd.sh made of a service (kafka-ingester unless it is
# named) or of `all`, and nothing else. Succeeds where there are none.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/simulation.sh

[ $# -le 1 ] || refuse "too many arguments: scripts/teardown.sh [SERVICE|all]"
services_named "${1:-kafka-ingester}"
use_docker || refuse "no Docker engine answers, neither to this user nor with sudo"
for service in "${services[@]}"; do
  step "remove the containers and the image of $service" remove "$service"
done
log "all done"
