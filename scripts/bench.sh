#!/usr/bin/env bash
# Measures all services, or those that are named: `scripts/bench.sh [SERVICE…]`; `shards` measures all on Redis Clusters. Each
# figure is printed beside its limit, taken in the same run. It needs a quiet machine.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

if [ $# -eq 0 ]; then
  mapfile -t benches < <(basename -s .sh scripts/bench.d/*.sh)
  set -- "${benches[@]}"
fi
for service; do
  [ -x "scripts/bench.d/$service.sh" ] || fail "there is no scripts/bench.d/$service.sh"
done

need python3 kill redis-server redis-cli mosquitto haproxy
use_python

say "building with --release (some minutes the first time)"
packages=()
for service; do
  [ "$service" = shards ] && packages=("${services[@]/#/--package=}") && break
  packages+=("--package=$service")
done
cargo build --release --locked --quiet "${packages[@]}" --bins --examples
export BIN=$target/release

say "this machine"
echo "cpu     $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
echo "memory  $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
echo "kernel  $(uname -sr)"
echo "load    $(cut -d ' ' -f 1-3 /proc/loadavg)"
echo "commit  $(git describe --always --dirty 2>/dev/null || echo unknown), $(rustc --version)"

failed=()
for service; do
  say "$service"
  "scripts/bench.d/$service.sh" </dev/null || failed+=("$service")
done
[ ${#failed[@]} -eq 0 ] || fail "could not be measured: ${failed[*]}"
