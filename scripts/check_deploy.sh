#!/usr/bin/env bash
# Checks the files in deploy/ with the programs that read them, without running the stack. Says loudly what it leaves out
# because a program cannot be installed. `scripts/check_deploy.sh [BIN]`: the folder with the built services, if not
# target/debug.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
bin=${1-$target/debug}

tools=$target/deploy
mkdir -p "$tools"
PATH=$PATH:$tools/bin:$tools/usr/bin
trap stop_children EXIT
unchecked=0
without() {
  say "NOT checked: $1 ($2)"
  unchecked=$((unchecked + 1))
}
has() { type -P "$1" >/dev/null; }

# Installing Debian's package would also start a server, so it is only unpacked.
if ! has promtool && has apt-get && has dpkg; then
  say "fetching promtool"
  (cd "$tools" && apt-get download -q prometheus && dpkg -x prometheus_*.deb .) >"$tools/promtool.log" 2>&1 </dev/null ||
    tail -n 2 "$tools/promtool.log" >&2
fi
# kubectl brings kustomize with it.
kustomize=(kubectl kustomize)
if ! has kubectl; then
  kustomize=(kustomize build)
  if ! has kustomize && has go; then
    say "building kustomize (some minutes, once)"
    GOBIN=$tools/bin go install sigs.k8s.io/kustomize/kustomize/v5@v5.5.0 >"$tools/kustomize.log" 2>&1 </dev/null ||
      tail -n 2 "$tools/kustomize.log" >&2
  fi
fi
use_python deploy/kubernetes/requirements.txt deploy/venv

if has systemd-analyze; then
  say "systemd units"
  # A root with nothing but systemd's own units, ours, and stand-ins for the programs.
  machine=$tools/machine
  rm -rf "$machine"
  mkdir -p "$machine"/{bin,etc/systemd/system,usr/lib/systemd,usr/local/bin}
  cp -r /usr/lib/systemd/system "$machine/usr/lib/systemd/"
  cp -r deploy/systemd/backplane-* "$machine/etc/systemd/system/"
  install -m 755 /dev/null "$machine/bin/kill"
  for service in "${services[@]}"; do
    install -m 755 /dev/null "$machine/usr/local/bin/$service"
    unit=backplane-$service@9999.service
    output=$(systemd-analyze --root="$machine" verify "$unit" 2>&1) || output="failed: $output"
    [ -z "$output" ] || fail "systemd-analyze verify: $output"
    # The threshold is in tenths.
    systemd-analyze --root="$machine" security --offline=true --threshold=30 --no-pager "$unit" | tail -n 1 ||
      fail "systemd-analyze security: $unit is above 3"
  done
else
  without "systemd units" "systemd-analyze is not installed"
fi

if has haproxy; then
  say "haproxy with fixed servers"
  rm -rf "$tools/haproxy"
  cp -r haproxy "$tools/"
  sed -f deploy/systemd/haproxy.sed haproxy/haproxy.cfg >"$tools/haproxy/haproxy.cfg"
  ! grep -nE '^[^#]*(server-template|resolvers)' "$tools/haproxy/haproxy.cfg" || fail "haproxy.sed leaves this to DNS"
  haproxy -c -f "$tools/haproxy/haproxy.cfg"
else
  without "haproxy with fixed servers" "haproxy is not installed"
fi

if [ -n "${BACKPLANE_PYTHON-}" ] && has "${kustomize[0]}"; then
  rm -rf "$tools/kubernetes"
  mkdir "$tools/kubernetes"
  for folder in deploy/kubernetes/base deploy/kubernetes/overlays/*; do
    say "Kubernetes: $folder"
    "${kustomize[@]}" "$folder" >"$tools/kubernetes/$(basename "$folder").yaml"
    "$BACKPLANE_PYTHON" scripts/check_deploy.d/manifests.py "$tools/kubernetes/$(basename "$folder").yaml"
  done
  if [ -x "$bin/${services[0]}" ]; then
    say "settings in deploy/systemd/env and in the overlays"
    rm "$tools/kubernetes/base.yaml" # has no Redis, by design
    "$BACKPLANE_PYTHON" scripts/check_deploy.d/settings.py "$bin" "$tools"/kubernetes/*.yaml
  else
    without "settings" "the services are not built in $bin"
  fi
else
  without "Kubernetes manifests and settings" "kustomize or the packages of deploy/kubernetes/requirements.txt cannot be installed"
fi

if [ -n "${BACKPLANE_PYTHON-}" ] && [ -x "$bin/${services[0]}" ]; then
  say "Compose: settings and .env.example"
  "$BACKPLANE_PYTHON" scripts/check_deploy.d/compose.py "$bin"
else
  without "Compose's settings" "the packages of deploy/kubernetes/requirements.txt cannot be installed, or the services are not built in $bin"
fi

if has promtool; then
  say "Prometheus: configurations and rules"
  rm -rf "$tools/prometheus"
  cp -r deploy/prometheus "$tools/"
  # Debian's promtool is built without the discovery of Kubernetes, so everything but that is checked.
  sed -i 's/kubernetes_sd_configs:/file_sd_configs:/; s/{role: pod}/{files: [targets.yml]}/' "$tools/prometheus/kubernetes.yml"
  for config in prometheus machines kubernetes; do promtool check config "$tools/prometheus/$config.yml"; done
  promtool test rules "$tools/prometheus/rules_test.yml"
else
  without "Prometheus's configurations and rules" "promtool is not installed: Debian's package is prometheus"
fi

use_node deploy/node @grafana/schema@13.2.3 typescript@5.9.3
if [ -n "${BACKPLANE_NODE_MODULES-}" ]; then
  say "the dashboard, by the types of Grafana's own package"
  cat scripts/check_deploy.d/dashboard.ts deploy/grafana/backplane.json >"$tools/node/dashboard.mts"
  "$BACKPLANE_NODE_MODULES/.bin/tsc" --noEmit --strict --skipLibCheck --module nodenext --target es2022 "$tools/node/dashboard.mts"
else
  without "the types of the dashboard" "npm's packages cannot be installed"
fi

if [ -n "${BACKPLANE_PYTHON-}" ] && has haproxy; then
  say "metrics in the rules and the dashboard"
  port=$(free_port)
  printf '%s\n' "defaults" " mode http" " timeout client 5s" " timeout connect 5s" " timeout server 5s" \
    "frontend metrics" " bind 127.0.0.1:$port" " http-request use-service prometheus-exporter" " default_backend none" \
    "backend none" " server none 127.0.0.1:1" >"$tools/metrics.cfg"
  start "$port" "$tools/haproxy.log" haproxy -db -f "$tools/metrics.cfg"
  "$BACKPLANE_PYTHON" scripts/check_deploy.d/metrics.py "http://127.0.0.1:$port/metrics" "$tools/dashboard.yml"
  has promtool && promtool check rules "$tools/dashboard.yml"
else
  without "metrics in the rules and the dashboard" "haproxy or the packages of deploy/kubernetes/requirements.txt cannot be installed"
fi

[ $unchecked -eq 0 ] || say "$unchecked parts were NOT checked, see above"
