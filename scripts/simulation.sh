# shellcheck shell=bash
# What simulate_cicd.sh makes and teardown.sh removes. Sourced after lib.sh, never run.

source scripts/docker.sh

all_services=(scenario-player preflight status-proxy kafka-ingester etl-worker object-store)

image_of() { echo "${1}_simulation_image"; }
container_of() { echo "${1}_simulation_container_$2"; }

port_of() {
  case $1 in
    scenario-player) echo 8000 ;;
    preflight) echo 9001 ;;
    status-proxy) echo 9002 ;;
    kafka-ingester) echo 9101 ;;
    etl-worker) echo 9102 ;;
    object-store) echo 9103 ;;
  esac
}

# services_named NAME : sets `services` to that one, or for `all` to all of them.
services_named() {
  services=("$1")
  [ "$1" != all ] || services=("${all_services[@]}")
  [ -n "$(port_of "${services[0]}")" ] || refuse "there is no service $1; there are ${all_services[*]}, and all"
}

log() { printf '%s %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S.%3N')" "$*"; }

refuse() {
  log "$*" >&2
  exit 1
}

# step WHAT COMMAND… : runs it quietly. If it fails, prints its output and ends the script.
step() {
  local what=$1 output
  shift
  log "$what"
  output=$(mktemp)
  "$@" >"$output" 2>&1 </dev/null || {
    cat "$output" >&2
    rm -f "$output"
    log "failed: $what" >&2
    exit 1
  }
  rm -f "$output"
}

# remove SERVICE : stops and removes its containers, and removes its image. Succeeds where there are none.
remove() {
  local containers
  mapfile -t containers < <("${docker[@]}" ps --all --format '{{.Names}}' | grep -Ex "$(container_of "$1" '[0-9]+')")
  if [ ${#containers[@]} -gt 0 ]; then
    "${docker[@]}" stop --time 20 "${containers[@]}" || return
    "${docker[@]}" rm "${containers[@]}" || return
  fi
  if "${docker[@]}" image inspect "$(image_of "$1")" >/dev/null 2>&1; then
    "${docker[@]}" image rm "$(image_of "$1")"
  fi
}
