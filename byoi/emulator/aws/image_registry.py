"""ECR whose repositories docker really pushes to: a registry on this machine behind moto's ECR.

What DescribeImages and its kin show is read from that registry each time, because docker
pushes there without any call of ECR's.

Sources: distribution.github.io/distribution/spec/api; moto 5.2.5, ecr/models.py.
"""

import base64
import datetime as dt
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.ecr.models import ECRBackend, Image, Repository, ecr_backends
from moto.ecr.responses import ECRResponse

from byoi import errors
from byoi.emulator.aws.moto_requests import NotEmulatedError, RefusedError
from byoi.local.registry import LocalRegistry
from byoi.names import MANIFEST_TYPES

_TIMEOUT_S = 30
# ECR's own: 12 hours.
_TOKEN_LIFETIME = dt.timedelta(hours=12)


class ImageRegistry:
    """The registry, started when ECR is first asked.

    Args:
        folder: Its files are below.
        remember: Takes the process id of what is started.
    """

    def __init__(self, folder: Path, *, remember: Callable[[int], None]) -> None:
        self._folder = folder
        self._remember = remember
        self._lock = threading.Lock()
        self._registry: LocalRegistry | None = None

    @property
    def address(self) -> str:
        """Its `host:port`; it is started where it does not run yet."""
        with self._lock:
            if self._registry is None:
                try:
                    self._registry = LocalRegistry(parent=self._folder)
                except errors.ByoiError as error:
                    message = f"The emulator has no registry behind ECR: {error}"
                    raise RefusedError(message) from error
                self._remember(self._registry.pid)
            return self._registry.address

    def images(self, repository: str) -> dict[str, tuple[str, str, str]]:
        """Return tag to digest, media type and manifest of all that was pushed to a repository."""
        found = {}
        for tag in json.loads(self._ask(f"{repository}/tags/list")[1] or "{}").get("tags") or ():
            headers, body = self._ask(f"{repository}/manifests/{tag}")
            if body:
                media_type = headers["Content-Type"].partition(";")[0]
                found[tag] = (headers["Docker-Content-Digest"], media_type, body.decode())
        return found

    def delete(self, repository: str, digest: str) -> None:
        """Delete an image, with all its tags."""
        self._ask(f"{repository}/manifests/{digest}", "DELETE")

    def stop(self) -> None:
        """Stop it, if it runs, and delete its images."""
        if self._registry is not None:
            self._registry.stop()

    def _ask(self, path: str, method: str = "GET") -> tuple[Any, bytes]:
        """Return headers and body; an empty body where there is nothing."""
        request = urllib.request.Request(
            f"http://{self.address}/v2/{path}",
            headers={"Accept": ", ".join(MANIFEST_TYPES)},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as response:
                return response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.headers, b""


def replacements(registry: ImageRegistry) -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each attribute of moto's that is replaced."""
    attributes = {"registry": registry, "__module__": ECRBackend.__module__}
    yield ecr_backends, "backend", type("RegistryBackend", (RegistryBackend,), attributes)
    yield ECRResponse, "get_authorization_token", _respond_with_token


class _PushedImage(Image):
    """An image as ECR shows it; moto takes the configuration's size for the image's."""

    def get_image_size_in_bytes(self) -> int | None:
        manifest = json.loads(self.image_manifest)
        if "layers" not in manifest:
            return None
        return int(sum(part["size"] for part in [manifest["config"], *manifest["layers"]]))


class RegistryBackend(ECRBackend):
    """One region's ECR.

    Attributes:
        registry: Where its images are.
    """

    registry: ClassVar[ImageRegistry]

    def create_repository(self, repository_name: str, *rest: Any, **named: Any) -> Repository:
        """Create a repository that docker reaches under its URI."""
        if named.get("image_tag_mutability") not in {None, "MUTABLE"}:
            raise NotEmulatedError("CreateRepository with immutable tags")
        repository = super().create_repository(repository_name, *rest, **named)
        repository.uri = f"{self.registry.address}/{repository_name}"
        return repository

    def delete_repository(self, repository_name: str, *rest: Any, **named: Any) -> Repository:
        """Delete a repository and the images in it."""
        repository = self._refreshed(repository_name)
        images = list(repository.images) if repository else []
        deleted = super().delete_repository(repository_name, *rest, **named)
        for image in images:
            self.registry.delete(repository_name, image.get_image_digest())
        return deleted

    def list_images(self, repository_name: str, *rest: Any, **named: Any) -> list[Image]:
        """List what was pushed."""
        self._refreshed(repository_name)
        return super().list_images(repository_name, *rest, **named)

    def describe_images(self, repository_name: str, *rest: Any, **named: Any) -> Any:
        """Describe what was pushed."""
        self._refreshed(repository_name)
        return super().describe_images(repository_name, *rest, **named)

    def batch_get_image(self, repository_name: str, *rest: Any, **named: Any) -> dict[str, Any]:
        """Return manifests of what was pushed."""
        self._refreshed(repository_name)
        return super().batch_get_image(repository_name, *rest, **named)

    def batch_delete_image(self, repository_name: str, *rest: Any, **named: Any) -> dict[str, Any]:
        """Delete images."""
        repository = self._refreshed(repository_name)
        before = {image.get_image_digest() for image in repository.images} if repository else set()
        answer = super().batch_delete_image(repository_name, *rest, **named)
        if repository is not None:
            left = {image.get_image_digest() for image in repository.images}
            for digest in before - left:
                self.registry.delete(repository_name, digest)
        return answer

    def put_image(self, *_: Any, **__: Any) -> Image:
        """Refuse: images come by `docker push`."""
        raise NotEmulatedError("PutImage; push the image with docker")

    def _refreshed(self, name: str) -> Repository | None:
        """Return a repository with the images that are in the registry now, None without one."""
        repository = self.repositories.get(name)
        if repository is None:
            return None
        known = {image.get_image_digest(): image for image in repository.images}
        for image in known.values():
            image.image_tags = []
        for tag, (digest, media_type, manifest) in self.registry.images(name).items():
            image = known.get(digest) or _PushedImage(
                self.account_id, tag, manifest, name, media_type, digest
            )
            image.image_tag = tag
            image.image_tags = sorted({*image.image_tags, tag})
            known[digest] = image
        repository.images = list(known.values())
        return repository


def _respond_with_token(self: Any) -> Any:
    # The registry takes any; only a client that reads the answer sees the difference.
    token = base64.b64encode(f"AWS:{self.current_account}-auth-token".encode()).decode()
    address = self.ecr_backend.registry.address
    data = {
        "authorizationToken": token,
        "expiresAt": dt.datetime.now(dt.UTC) + _TOKEN_LIFETIME,
        "proxyEndpoint": f"http://{address}",
    }
    return ActionResult({"authorizationData": [data]})
