#!/usr/bin/env bash
# Installs the Debian packages that scripts/release.sh made in a bare Debian container, and fails unless each service starts there
# by its unit's command, as the unit's user, and the unit passes systemd-analyze.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/docker.sh
use_docker || fail "there is no Docker engine"
release=$target/release-$(version)
[ -e "$release/SHA256SUMS" ] || fail "there is no release in $release: run scripts/release.sh"
(cd "$release" && sha256sum --check --quiet SHA256SUMS)
for image in "$release"/*.image.tar.gz; do
  tar -tzf "$image" oci-layout index.json >/dev/null || fail "$image is no OCI archive"
done

"${docker[@]}" run --rm --interactive --volume "$release:/release:ro" debian:bookworm-slim bash -euo pipefail <<'END'
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends redis-server systemd /release/backplane-*_"$(dpkg --print-architecture)".deb >/dev/null
redis-server --notify-keyspace-events Kghxe --daemonize yes >/dev/null
export REDIS_URL=redis://127.0.0.1 LISTEN_HOST=127.0.0.1 KAFKA_BROKER=127.0.0.1:9 KAFKA_TOPIC=none KAFKA_GROUP=none MQTT_HOST=127.0.0.1
install -d -o backplane /var/lib/backplane
cd /var/lib/backplane
port=9900
for unit in /usr/lib/systemd/system/backplane-*@.service; do
  service=$(basename "$unit" @.service)
  service=${service#backplane-} port=$((port + 1))
  systemd-analyze verify "backplane-$service@$port.service"
  level=$(systemd-analyze security --offline=true --threshold=30 --no-pager "backplane-$service@$port.service" | tail -n 1)
  command=$(sed -n 's/^ExecStart=//p' "$unit" | sed "s/%i/$port/; s/\${LISTEN_HOST}/127.0.0.1/")
  # Word splitting is intended: it is a program and its arguments.
  setpriv --reuid=backplane --regid=backplane --clear-groups $command 2>"/tmp/$service.log" &
  for _ in $(seq 100); do
    LISTEN_ADDR=127.0.0.1:$port "$service" --health >/dev/null 2>&1 && break
    sleep 0.1
  done
  LISTEN_ADDR=127.0.0.1:$port "$service" --health >/dev/null || { cat "/tmp/$service.log"; exit 1; }
  echo "$service: $("$service" --version), healthy as $(ps -o user= -p $! 2>/dev/null || stat -c %U /proc/$!); ${level#→ }"
  kill $!
  wait $!
done
END
say "the packages install, and each service starts"
