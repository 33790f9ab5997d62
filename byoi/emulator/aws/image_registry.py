"""ECR whose repositories docker really pushes to: a registry on this machine behind moto's ECR.

What DescribeImages and its kin show is read from that registry each time, because docker
pushes there without any call of ECR's.

Sources: distribution.github.io/distribution/spec/api; moto 5.2.5, ecr/models.py.
"""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.ecr.models import ECRBackend, Image, Repository, ecr_backends
from moto.ecr.responses import ECRResponse

from byoi import errors
from byoi.emulator.aws import registry_login
from byoi.emulator.aws.errors import NotEmulatedError, RefusedError
from byoi.emulator.aws.registry_login import RegistryLogin
from byoi.local.docker import Engine
from byoi.local.registry import LocalRegistry
from byoi.registry import Registry

# ECR's own: 12 hours.
_TOKEN_LIFETIME = dt.timedelta(hours=12)


class ImageRegistry:
    """The registry, started when ECR is first asked.

    Args:
        folder: Its files are below.
        engine: The container engine, whose users log in with docker's command.
        remember: Takes the process id of what is started.

    Attributes:
        login: What it asks everybody for.
    """

    def __init__(self, folder: Path, *, engine: Engine, remember: Callable[[int], None]) -> None:
        self.login = RegistryLogin()
        self._folder = folder
        self._engine = engine
        self._remember = remember
        self._lock = threading.Lock()
        self._registry: LocalRegistry | None = None

    @property
    def address(self) -> str:
        """Its `host:port`; it is started where it does not run yet."""
        with self._lock:
            if self._registry is None:
                try:
                    htpasswd = self.login.htpasswd()
                    self._registry = LocalRegistry(parent=self._folder, htpasswd=htpasswd)
                except errors.ByoiError as error:
                    message = f"The emulator has no registry behind ECR: {error}"
                    raise RefusedError(message) from error
                self._remember(self._registry.pid)
                registry_login.write_address(self._folder, self._registry.address)
            return self._registry.address

    def find_login(self, image: str) -> Mapping[str, str] | None:
        """Return user and password to pull an image with, None if it is in another registry."""
        is_here = self._registry and image.startswith(f"{self._registry.address}/")
        return self.login.credentials if is_here else None

    def images(self, repository: str) -> dict[str, tuple[str, str, str]]:
        """Return tag to digest, media type and manifest of all that was pushed to a repository."""
        client = self._client()
        found = {}
        for tag in client.tags(repository):
            if manifest := client.find_manifest(repository, tag):
                found[tag] = (manifest.digest, manifest.media_type, manifest.body.decode())
        return found

    def delete(self, repository: str, digest: str) -> None:
        """Delete an image, with all its tags."""
        self._client().delete(repository, digest)

    def stop(self) -> None:
        """Stop it, if it runs, delete its images, and undo what `docker login` stored."""
        if self._registry is not None:
            self._engine.log_out(self._registry.address)
            self._registry.stop()

    def _client(self) -> Registry:
        return Registry(self.address, login=self.login.login)


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
    registry = self.ecr_backend.registry
    data = {
        "authorizationToken": registry.login.token,
        "expiresAt": dt.datetime.now(dt.UTC) + _TOKEN_LIFETIME,
        "proxyEndpoint": f"http://{registry.address}",
    }
    return ActionResult({"authorizationData": [data]})
