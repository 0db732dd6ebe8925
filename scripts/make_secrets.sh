#!/usr/bin/env bash
# Makes the passwords of deploy/docker-compose.secrets.yml in deploy/secrets/. What is there stays as it is.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

folder=deploy/secrets
# A container's user must be able to read a file. On this machine only its owner can enter the folder.
install --directory --mode=700 "$folder"
for name in redis_password mqtt_password operator_token; do
  [ -s "$folder/$name" ] && continue
  od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n' >"$folder/$name"
  chmod 444 "$folder/$name"
  say "made $folder/$name"
done
