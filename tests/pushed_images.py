"""Images put into a registry by hand, in every form that docker, buildx and others push."""

import hashlib
import json
import urllib.request
from typing import Any

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def blobs(architecture: str) -> tuple[bytes, bytes]:
    """Return an image configuration and a layer."""
    layer = b"\0" * 1024
    rootfs = {"type": "layers", "diff_ids": [digest(layer)]}
    config = {"os": "linux", "architecture": architecture, "config": {}, "rootfs": rootfs}
    return json.dumps(config).encode(), layer


def manifest(media_type: str, architecture: str = "amd64") -> dict[str, Any]:
    """Return the manifest of the image that `blobs` makes."""
    docker = media_type == DOCKER
    config, layer = blobs(architecture)
    kinds = (
        ("vnd.docker.container.image.v1+json", "vnd.docker.image.rootfs.diff.tar")
        if docker
        else ("vnd.oci.image.config.v1+json", "vnd.oci.image.layer.v1.tar")
    )
    described = [
        {"mediaType": f"application/{kind}", "size": len(blob), "digest": digest(blob)}
        for kind, blob in zip(kinds, (config, layer), strict=True)
    ]
    return {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": described[0],
        "layers": described[1:],
    }


def put_image(
    host: str,
    reference: str,
    media_type: str,
    *,
    architecture: str = "amd64",
    headers: dict[str, str] | None = None,
) -> str:
    """Put an image into the registry under repository:tag; return the manifest's digest."""
    repository, _, tag = reference.partition(":")
    wanted = media_type
    content = manifest(OCI if wanted == OCI_INDEX else wanted, architecture)

    def send(method: str, url: str, body: bytes, kind: str) -> str:
        url = url if url.startswith("http") else f"http://{host}{url}"
        fields = {"Content-Type": kind, **(headers or {})}
        request = urllib.request.Request(url, body, fields, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.headers["Location"]

    for blob in blobs(architecture):
        upload = send("POST", f"/v2/{repository}/blobs/uploads/", b"", "text/plain")
        send("PUT", f"{upload}&digest={digest(blob)}", blob, "application/octet-stream")
    if wanted == OCI_INDEX:
        image = json.dumps(content).encode()
        send("PUT", f"/v2/{repository}/manifests/{digest(image)}", image, OCI)
        one = {"mediaType": OCI, "size": len(image), "digest": digest(image)}
        one["platform"] = {"os": "linux", "architecture": architecture}
        content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [one]}
    body = json.dumps(content).encode()
    send("PUT", f"/v2/{repository}/manifests/{tag}", body, wanted)
    return digest(body)
