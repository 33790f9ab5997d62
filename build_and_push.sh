#!/usr/bin/env bash
# Build the image for one instance type, push it, and check that SageMaker will take it.
# The only line on stdout is the immutable address, repository@sha256:...
#
# Usage:     ./build_and_push.sh [IMAGE]
#   IMAGE without a tag (default byoi) is the name of the repository: the image is built by
#   container/build_image.sh, with its settings (TARGET, MODEL_DIR, BASE_IMAGE, ...), and
#   tagged with the git commit, -dirty where the checkout differs from it.
#   IMAGE with a tag (byoi:latest) is an image of this machine: it is pushed as it is.
# Settings:  REGISTRY       host:port of a registry; log in yourself where it needs that.
#                           Default: Amazon ECR, account and region of your AWS credentials
#            INSTANCE_TYPE  what it will run on, default ml.m5.large; decides the platform
# Needs:     docker; Python with boto3 for ECR (make .venv); git for the tag
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'build_and_push: %s\n' "$1" >&2
  exit 1
}
python=$here/.venv/bin/python
[ -x "$python" ] || python=$(command -v python3) || fail "no Python; run: make .venv"
push() { PYTHONPATH=$here "$python" -m byoi.deployment.push "$@"; }

[ $# -le 1 ] || fail "one argument at most, the image; received $#"
image=${1:-byoi}
platform=$(push platform "${INSTANCE_TYPE:-ml.m5.large}")
case ${image##*/} in
  *:*)
    name=${image%:*} tag=${image##*:} local_image=$image
    docker image inspect "$local_image" >/dev/null || fail "no image $local_image on this machine; docker images lists them"
    ;;
  *)
    commit=$(git -C "$here" rev-parse --short=12 HEAD) || fail "no git commit to tag with; build the image, then push it by its tag: make image && ./build_and_push.sh byoi:latest"
    [ -z "$(git -C "$here" status --porcelain)" ] || commit=$commit-dirty
    name=$image tag=$commit local_image=$image:$commit
    TAG=$local_image PLATFORM=$platform "$here/container/build_image.sh"
    ;;
esac
# Nothing is uploaded that the instance could not run.
built_for=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$local_image")
[ "$built_for" = "$platform" ] || fail "$local_image is built for $built_for and the instance type needs $platform; build it for that: PLATFORM=$platform make image, or name an instance type it is for: INSTANCE_TYPE=ml.m5.large (linux/amd64), INSTANCE_TYPE=ml.c7g.large (linux/arm64)"

if [ -n "${REGISTRY:-}" ]; then
  repository=$REGISTRY/$name
else
  repository=$(push ecr-repository "$name")
  push ecr-password | docker login --username AWS --password-stdin "${repository%%/*}" >&2
fi
echo "pushing $repository:$tag for $platform" >&2
docker tag "$local_image" "$repository:$tag"
docker push "$repository:$tag" >&2
push check "$repository:$tag" "$platform"
