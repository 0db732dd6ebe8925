#!/usr/bin/env bash
# scripts/demo.sh with Docker: the stack of deploy/ in a Compose project of its own. It leaves only images behind.
# With CHECK set it ends without waiting for anybody.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/docker.sh
use_compose || fail "there is no Docker engine with Compose"
compose+=(--project-name backplane-demo)
port() {
  local name=PORT_$1
  echo "${!name:-$(cat deploy/.env deploy/.env.example 2>/dev/null | sed -n "s/^$name=//p" | head -n 1)}"
}

stop() {
  say "stopping everything"
  "${docker[@]}" rm --force backplane-demo-live >/dev/null 2>&1 || true
  quietly demo-down.log "the stack could not be removed completely" "${compose[@]}" down --volumes
}
trap stop EXIT
trap 'exit 130' INT TERM

# What scripts/release.sh made, if it was run here.
release=("$target"/release-*/*"-$(uname -m).image.tar.gz")
if [ -e "${release[0]}" ]; then
  say "this takes about three minutes; loading the images of the release"
  for image in "${release[@]}"; do
    tag=$("${docker[@]}" load --quiet --input "$image" | sed -n 's/^Loaded image: //p')
    "${docker[@]}" tag "$tag" "${tag%:*}"
  done
  build=(build check)
else
  say "this takes about three minutes, and the first time some ten more: building the images"
  build=(--profile check build)
fi
quietly demo-build.log "the images could not be built" "${compose[@]}" "${build[@]}"
say "starting Redis, Mosquitto, Kafka, haproxy, and two instances of each service"
quietly demo-up.log "they could not be started" "${compose[@]}" up --detach --no-build --scale scenario-player=2 --scale preflight=2 \
  --scale status-proxy=2 --scale kafka-ingester=2 --scale etl-worker=2 --scale object-store=2

"${compose[@]}" run --rm -T check || fail "a path does not work"
[ -z "${CHECK-}" ] || exit 0

# Customers who walk in circles, and a run that is built again and again.
"${compose[@]}" run --rm -d --name backplane-demo-live --entrypoint python3 check live.py >/dev/null
say "to look at, until Ctrl-C"
cat <<END
all of it                http://localhost:$(port ENTRY)/
the shop, live           http://localhost:$(port ENTRY)/scenario-player/
  its HTTP, to try       http://localhost:$(port ENTRY)/scenario-player/docs/
a run's checklist, live  http://localhost:$(port ENTRY)/preflight/?run=decimal-pleasing
its status lines         http://localhost:$(port ENTRY)/status-proxy/?run=decimal-pleasing&channel=wepp
haproxy                  http://localhost:$(port STATISTICS)/
Redis                    127.0.0.1:$(port REDIS)
Mosquitto, Kafka         127.0.0.1:$(port MOSQUITTO), 127.0.0.1:$(port KAFKA)

more of a service        ${compose[*]} up -d --no-recreate --scale status-proxy=4 status-proxy
END
while :; do
  sleep 3600 &
  wait $!
done
