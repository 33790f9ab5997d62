"""What an image registry holds under a tag, read through the registry's HTTP API.

Source: distribution.github.io/distribution/spec/api.
"""

import base64
import ipaddress
import json
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from byoi_lib import errors

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
# Asked for, so that a registry shows what was really pushed instead of converting it.
MANIFEST_TYPES = (
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_TIMEOUT_S = 30


@dataclass(frozen=True)
class Manifest:
    """What a registry holds under a tag.

    Attributes:
        media_type: As the registry names it.
        digest: sha256:...
        content: The JSON document.
    """

    media_type: str
    digest: str
    content: dict[str, Any]


class Registry(Protocol):
    """Where manifests are read from."""

    def manifest(self, repository: str, tag: str) -> Manifest:
        """Return what lies under the tag."""

    def platform(self, repository: str, manifest: Manifest) -> str | None:
        """Return the platform an image was built for; None where it is not told."""


class HttpRegistry:
    """Any registry, through its HTTP API.

    Args:
        host: host[:port]; over plain HTTP only on this machine, as docker does it.
        docker_config: Directory of docker's config.json, for `docker login`'s credentials.
        authorization: The header's value instead, where it is known.
    """

    def __init__(
        self, host: str, docker_config: Path | None = None, *, authorization: str | None = None
    ) -> None:
        self.host = host
        self._authorization = authorization
        if docker_config is not None:
            self._authorization = _authorization(host, docker_config / "config.json")

    def manifest(self, repository: str, tag: str) -> Manifest:
        """Return what lies under the tag."""
        headers, body = self._get(f"{repository}/manifests/{tag}", ", ".join(MANIFEST_TYPES))
        media_type = headers["Content-Type"].split(";")[0]
        return Manifest(media_type, headers["Docker-Content-Digest"], json.loads(body))

    def platform(self, repository: str, manifest: Manifest) -> str:
        """Return the platform in the image's configuration."""
        _, body = self._get(f"{repository}/blobs/{manifest.content['config']['digest']}", "*/*")
        config = json.loads(body)
        return f"{config['os']}/{config['architecture']}"

    def _get(self, path: str, accept: str) -> tuple[Any, bytes]:
        local = _is_this_machine(self.host.partition(":")[0])
        proxies = [urllib.request.ProxyHandler({})] if local else []
        opener = urllib.request.build_opener(*proxies)
        error: OSError | None = None
        for scheme in ("https", "http") if local else ("https",):
            url = f"{scheme}://{self.host}/v2/{path}"
            request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310
            if self._authorization is not None:
                # Not for where ECR redirects to: S3 refuses a signed address with this header.
                request.add_unredirected_header("Authorization", self._authorization)
            try:
                with opener.open(request, timeout=_TIMEOUT_S) as response:
                    return response.headers, response.read()
            except urllib.error.HTTPError as answer:
                answer.close()
                error = answer
            except OSError as failure:
                error = failure
        raise errors.RegistryError(
            f"{url} cannot be read: {error}. It must be readable with what `docker login "
            f"{self.host}` left in docker's configuration; log in, or check REGISTRY"
        ) from error


def _is_this_machine(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _authorization(host: str, config_file: Path) -> str | None:
    """Return the header's value for what `docker login` stored, in its file or its helper."""
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except OSError:
        return None
    helper = config.get("credHelpers", {}).get(host) or config.get("credsStore")
    stored = config.get("auths", {}).get(host, {}).get("auth")
    if stored is None and helper is not None:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=host,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            found = json.loads(done.stdout)
            stored = base64.b64encode(f"{found['Username']}:{found['Secret']}".encode()).decode()
    return None if stored is None else f"Basic {stored}"
