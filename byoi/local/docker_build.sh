#!/usr/bin/env bash
# Build an image for SageMaker with BuildKit, and with the package index's optional secrets.
#
# Usage:     docker_build.sh ARGUMENT OF docker build ...
# Settings:  PLATFORM    linux/amd64 or linux/arm64, default the engine's
#            CA_BUNDLE   certificates for the package index, default $PIP_CERT
#            PIP_CONF    a pip configuration; like CA_BUNDLE a secret of the build only
#            DOCKER      the docker client, default the first on PATH that has BuildKit
# Secrets:   ca-bundle and pip-conf, for `RUN --mount=type=secret,id=...`
set -Eeuo pipefail

client=$(bash "$(dirname "${BASH_SOURCE[0]}")/docker_client.sh")
secrets=()
ca_bundle=${CA_BUNDLE:-${PIP_CERT:-}}
for file in "$ca_bundle" "${PIP_CONF:-}"; do
  if [ -n "$file" ] && [ ! -r "$file" ]; then
    printf '%s cannot be read; CA_BUNDLE, PIP_CERT and PIP_CONF name files\n' "$file" >&2
    exit 1
  fi
done
if [ -n "$ca_bundle" ]; then secrets+=(--secret "id=ca-bundle,src=$ca_bundle"); fi
if [ -n "${PIP_CONF:-}" ]; then secrets+=(--secret "id=pip-conf,src=$PIP_CONF"); fi

# SageMaker takes no attestations and no OCI media types. An engine that keeps images in
# containerd's store writes OCI unless told; the others know no such option.
export DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1
options=()
if [ -n "${PLATFORM:-}" ]; then options+=(--platform "$PLATFORM"); fi
if "$client" info --format '{{.DriverStatus}}' | grep -q io.containerd.snapshotter; then
  options+=(--output 'type=image,oci-mediatypes=false')
fi
exec "$client" build ${options[@]+"${options[@]}"} ${secrets[@]+"${secrets[@]}"} "$@"
