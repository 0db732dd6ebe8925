# shellcheck shell=bash
# What the scripts that use Docker share. Sourced after lib.sh, never run.

docker=() compose=()

# Sets `docker` to the command that reaches an engine: without sudo where the user may; fails where there is none.
use_docker() {
  docker=(docker)
  type -P docker >/dev/null || return 1
  docker info >/dev/null 2>&1 && return
  docker=(sudo docker)
  [ -t 0 ] || docker=(sudo -n docker)
  "${docker[@]}" info >/dev/null 2>&1
}

# Sets `compose` to the command that deploys the whole: Compose v2, or docker-compose 1.29.
use_compose() {
  use_docker || return 1
  if "${docker[@]}" compose version >/dev/null 2>&1; then
    compose=("${docker[@]}" compose)
  elif type -P docker-compose >/dev/null; then
    compose=("${docker[@]/%docker/docker-compose}")
  else
    return 1
  fi
  compose+=(-f deploy/docker-compose.yml)
}
