#!/usr/bin/env bash
# Build the image; what `make image` runs. Nothing is printed on stdout.
#
# Usage:     container/build_image.sh [OPTION OF docker build ...]      such as --no-cache
# Settings:  TARGET      serve (default: ONNX Runtime) or tensorflow (trains, serves in Keras)
#            TAG         default byoi:latest, for tensorflow byoi:tensorflow
#            MODEL_DIR   a model directory to bake in; used when /opt/ml/model is empty
#            BASE_IMAGE  default debian:trixie-slim; debian:bookworm-slim builds as well. If one of
#                        these cannot be pulled, make_base_image.sh makes byoi-base:trixie or :bookworm
#            PLATFORM    linux/amd64 or linux/arm64, default this machine's
#            CA_BUNDLE   certificates for the package index, default $PIP_CERT
#            PIP_CONF    a pip configuration; like CA_BUNDLE a secret of the build only
#            DOCKER      the docker client, default the first on PATH that has BuildKit
# Needs:     docker with BuildKit: client 18.09 to 22, or newer with the buildx plugin
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec >&2

fail() {
  printf 'build_image: %s\n' "$1"
  exit 1
}

present() { "$client" image inspect "$1" >/dev/null 2>&1; }

client=$(container/docker_client.sh)
"$client" info >/dev/null 2>&1 || fail "the docker engine does not answer: $("$client" info 2>&1 | tail -n 1)"
echo "docker client: $client $("$client" version --format '{{.Client.Version}}'), BuildKit"

target=${TARGET:-serve}
case $target in
  serve) tag=${TAG:-byoi:latest} ;;
  tensorflow) tag=${TAG:-byoi:tensorflow} ;;
  *) fail "TARGET=$target is unknown; there are serve and tensorflow" ;;
esac
machine=$("$client" version --format '{{.Server.Os}}/{{.Server.Arch}}')
platform=${PLATFORM:-$machine}

base=${BASE_IMAGE:-debian:trixie-slim}
if [[ $base =~ ^debian:([a-z]+)-slim$ ]] && ! present "$base"; then
  suite=${BASH_REMATCH[1]}
  own_base=byoi-base:$suite
  if present "$own_base"; then
    base=$own_base
  elif ! pull_error=$("$client" pull --quiet --platform "$platform" "$base" 2>&1); then
    echo "$base cannot be pulled: $pull_error"
    [ "$platform" = "$machine" ] || fail "$own_base is made for this machine, $machine, and $platform is wanted; name a base image for it: BASE_IMAGE=..."
    SUITE=$suite container/make_base_image.sh "$own_base"
    base=$own_base
  fi
fi
echo "base image: $base"

export DOCKER=$client PLATFORM=$platform

model_dir=${MODEL_DIR:-}
[ -z "$model_dir" ] || [ -n "$(ls -A "$model_dir" 2>/dev/null)" ] || fail "MODEL_DIR=$model_dir is no directory with a model in it; make one: byoi train --output $model_dir"
program_tag=$tag
if [ -n "$model_dir" ]; then program_tag=${tag%:*}:without-model; fi
container/docker_build.sh --build-arg "BASE_IMAGE=$base" \
  --target "$target" --tag "$program_tag" --file container/Dockerfile "$@" .
if [ -n "$model_dir" ]; then
  container/docker_build.sh --build-arg "IMAGE=$program_tag" --tag "$tag" --file container/Dockerfile.model "$model_dir"
fi
"$client" image inspect --format "built $tag ({{.Architecture}}, {{.Size}} bytes)" "$tag"
