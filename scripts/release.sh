#!/usr/bin/env bash
# Makes a release in target/release-VERSION: `scripts/release.sh [x86_64|aarch64…]`, this machine's architecture if none is named.
# For each: an archive of the six binaries, and Debian packages. Once: the packages of the clients, an SBOM of each service, with
# Docker an image of each, and the checksums. On Debian it installs what it needs to compile for another architecture.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source scripts/docker.sh

version=$(version)
out=$target/release-$version
here=$(uname -m)
[ $# -gt 0 ] || set -- "$here"
export PATH=$PATH:$target/tools/bin
export CARGO_TERM_COLOR=never

# need_cargo NAME VERSION : installs a subcommand of Cargo, once.
need_cargo() {
  type -P "$1" >/dev/null || {
    say "installing $1 (some minutes, once)"
    quietly "$1.log" "$1 could not be installed" cargo install --quiet --locked "$1@$2" --root "$target/tools"
  }
}

# A compiler, a linker and the libraries of another architecture, from Debian's packages for it.
use_cross_compiler() {
  local arch=$1 triple=$2 debian=${1/aarch64/arm64}
  debian=${debian/x86_64/amd64}
  say "installing a compiler for $arch"
  [ "$(id -u)" = 0 ] || fail "compiling for $arch installs Debian packages: run this as root, or in a container"
  quietly apt.log "the compiler for $arch could not be installed" bash -c \
    "dpkg --add-architecture $debian && apt-get update -qq && apt-get install -y -qq gcc-${arch/_/-}-linux-gnu g++-${arch/_/-}-linux-gnu libssl-dev:$debian zlib1g-dev:$debian qemu-user"
  rustup target add "$triple"
  local name=${triple//-/_}
  export "CC_$name=$arch-linux-gnu-gcc" "CXX_$name=$arch-linux-gnu-g++" "AR_$name=$arch-linux-gnu-ar" \
    "CARGO_TARGET_${name^^}_LINKER=$arch-linux-gnu-gcc" "PKG_CONFIG_PATH_$name=/usr/lib/$arch-linux-gnu/pkgconfig" \
    PKG_CONFIG_ALLOW_CROSS=1
}

build() {
  local arch=$1 triple=$1-unknown-linux-gnu name=backplane-$version-$1-linux
  local built=$target/release cross=() # where the binaries are, with their symbols; what cargo is told for another architecture
  if [ "$arch" != "$here" ]; then
    use_cross_compiler "$arch" "$triple"
    built=$target/$triple/release cross=(--target "$triple")
  fi
  say "compiling for $arch"
  cargo build --release --locked "${services[@]/#/--package=}" --bins "${cross[@]}"

  say "$name.tar.gz"
  local folder=$out/$name service
  mkdir "$folder"
  for service in "${services[@]}"; do "$arch-linux-gnu-strip" -o "$folder/$service" "$built/$service"; done
  cp -r LICENSE deploy/systemd "$folder/"
  file "${services[@]/#/$folder/}" | sed "s|^$out/||; s|, BuildID.*, |, |"
  local run=() # what runs a binary of another architecture
  [ "$arch" = "$here" ] || run=("qemu-$arch")
  for service in "${services[@]}"; do
    "${run[@]}" "$folder/$service" --version || fail "$service does not start on $arch"
  done
  tar -C "$out" --owner=0 --group=0 -czf "$out/$name.tar.gz" "$name"
  [ "$arch" != "$here" ] || build_images "$folder"
  rm -r "$folder"

  say "Debian packages"
  local package
  for package in chassis "${services[@]}"; do
    cargo deb --quiet --no-build "${cross[@]}" --package "$package" --output "$out/"
  done
}

# The last stage of the Dockerfile, with the binaries of a folder in place of those of the stage that compiles.
build_images() {
  local service context=$out/context base=debian:bookworm-slim pinned labels=()
  if ! use_docker; then
    say "NOT made: images (there is no Docker engine)"
    return
  fi
  # By its digest, so that an image says what it was made of. An image that did not come from a registry has none.
  "${docker[@]}" pull --quiet "$base" >/dev/null || say "$base cannot be pulled: using the one that is here"
  pinned=$("${docker[@]}" image inspect --format '{{join .RepoDigests "\n"}}' "$base" | head -n 1)
  [ -z "$pinned" ] || labels=(--label "org.opencontainers.image.base.name=$base" --label "org.opencontainers.image.base.digest=${pinned#*@}")
  mkdir "$context"
  sed -n '/^FROM debian/,$ { s|--from=builder /src/target/release/||; s|^FROM .*|FROM '"${pinned:-$base}"'|; p; }' deploy/Dockerfile \
    >"$context/Dockerfile"
  cp "${services[@]/#/$1/}" "$context/"
  for service in "${services[@]}"; do
    say "image of $service"
    "${docker[@]}" build --quiet "${labels[@]}" --build-arg "SERVICE=$service" --tag "backplane/$service:$version" "$context"
    archive_image "backplane/$service:$version" "$out/$service-$version-$here.image.tar.gz"
  done
  rm -r "$context"
}

# archive_image IMAGE FILE : an OCI archive, with the list that `docker load` wants beside it. Docker saves no such archive before version 25.
archive_image() {
  local image=$1 layout=$out/layout manifest
  "${docker[@]}" save "$image" >"$out/image.tar"
  skopeo copy --quiet --dest-oci-accept-uncompressed-layers "docker-archive:$out/image.tar" "oci:$layout:$version"
  manifest=$(jq --raw-output '.manifests[0].digest | sub(":"; "/")' "$layout/index.json")
  jq --arg image "$image" 'def blob: "blobs/" + (.digest | sub(":"; "/"));
    [{Config: (.config | blob), RepoTags: [$image], Layers: (.layers | map(blob))}]' "$layout/blobs/$manifest" >"$layout/manifest.json"
  tar -C "$layout" --owner=0 --group=0 -czf "$2" oci-layout index.json manifest.json blobs
  rm -r "$layout" "$out/image.tar"
}

need file strip skopeo jq
need_cargo cargo-deb 3.8.0
need_cargo cargo-cyclonedx 0.5.9
rm -rf "$out" && mkdir -p "$out"
for arch; do build "$arch"; done

say "SBOM"
# It writes one beside the manifest of each member of the workspace.
cargo cyclonedx --quiet --format json --override-filename sbom
for service in "${services[@]}"; do mv "services/$service/sbom.json" "$out/$service-$version.cdx.json"; done
rm -f crates/*/sbom.json

say "client packages"
scripts/clients.sh pack
cp "$target"/clients/* "$out/"

(cd "$out" && sha256sum -- * >SHA256SUMS)
say "$out:"
(cd "$out" && ls -sh)
