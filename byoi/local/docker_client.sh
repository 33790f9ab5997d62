#!/usr/bin/env bash
# Print the docker client that can build images with secrets: the first with BuildKit.
#
# Usage:     docker_client.sh
# Settings:  DOCKER  the client to use instead of those on PATH
set -Eeuo pipefail

# Clients up to 22 have BuildKit built in; later ones need a plugin.
has_buildkit() {
  local version
  version=$("$1" version --format '{{.Client.Version}}' 2>/dev/null || true)
  case $version in
    '' | *[!0-9.+a-z~-]*) return 1 ;;
  esac
  [ "${version%%.*}" -lt 23 ] || "$1" buildx version >/dev/null 2>&1
}

clients=${DOCKER:-$(type -ap docker || true)}
while read -r client; do
  if [ -n "$client" ] && has_buildkit "$client"; then
    printf '%s\n' "$client"
    exit
  fi
done <<<"$clients"
printf 'no docker client with BuildKit (found: %s); install its buildx plugin (Debian: docker-buildx), or name another client: DOCKER=/path/to/docker\n' \
  "${clients:-none}" >&2
exit 1
