#!/usr/bin/env bash
# What a pipeline does, on this machine: lint, unit tests, image, and N containers of it on the host's network.
# `scripts/simulate_cicd.sh N [SERVICE|all]`; SERVICE is kafka-ingester unless it is named. Settings come from .env in
# the repository's root. Stops at the first failure. `scripts/teardown.sh [SERVICE|all]` removes what it made.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/simulation.sh

[[ ${1-} =~ ^[1-9][0-9]*$ ]] || refuse "N must be a whole number of containers, 1 or more: scripts/simulate_cicd.sh N [SERVICE|all]"
[ $# -le 2 ] || refuse "too many arguments: scripts/simulate_cicd.sh N [SERVICE|all]"
count=$1
services_named "${2:-kafka-ingester}"
use_docker || refuse "no Docker engine answers, neither to this user nor with sudo"
need cargo

packages=("${services[@]/#/--package=}")
step "lint: format" cargo fmt --check "${packages[@]}"
step "lint: clippy" cargo clippy --quiet --locked "${packages[@]}" --all-targets -- -D warnings
step "unit tests" cargo test --quiet --locked "${packages[@]}" --lib
for service in "${services[@]}"; do
  step "remove the containers and the image of an earlier run of $service" remove "$service"
  step "build $(image_of "$service")" "${docker[@]}" build --file deploy/Dockerfile \
    --build-arg "SERVICE=$service" --tag "$(image_of "$service")" .
done

# next_port FROM : sets `port` to the first port from there on that is free and was not given out before.
declare -A given=()
next_port() {
  port=$1
  while [ -n "${given[$port]-}" ] || is_open "$port"; do port=$((port + 1)); done
  given[$port]=1
}

# run_container SERVICE NUMBER : starts one on ports of its own.
run_container() {
  local name arguments=()
  name=$(container_of "$1" "$2")
  [ ! -e .env ] || arguments+=(--env-file .env)
  if [ "$1" = object-store ]; then
    next_port 2346
    arguments+=(--env "OBJECT_STORE_ADDRESS=tcp://127.0.0.1:$port")
  fi
  next_port "$(port_of "$1")"
  "${docker[@]}" run --detach --network host --name "$name" "${arguments[@]}" \
    --env "LISTEN_ADDR=127.0.0.1:$port" "$(image_of "$1")"
}

# lives NAME : waits until the container's --health succeeds.
lives() {
  local deadline=$((SECONDS + 30))
  until "${docker[@]}" exec "$1" service --health 2>/dev/null; do
    if [ "$("${docker[@]}" inspect --format '{{.State.Running}}' "$1")" != true ] || [ $SECONDS -ge $deadline ]; then
      "${docker[@]}" logs --tail 3 "$1"
      [ -e .env ] || echo "there is no .env in the repository's root, where its settings come from"
      return 1
    fi
    sleep 0.2
  done
}

for service in "${services[@]}"; do
  for number in $(seq "$count"); do
    name=$(container_of "$service" "$number")
    step "start $name" run_container "$service" "$number"
    step "see $name live at http://127.0.0.1:$port/health" lives "$name"
  done
done
log "all done; scripts/teardown.sh ${2:-kafka-ingester} removes what was made"
