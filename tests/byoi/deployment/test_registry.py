"""Manifests read back from a real registry."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pushed_images as images
import pytest
import shell_program

from byoi import errors
from byoi.deployment.registry import HttpRegistry, Manifest

# The password is "secret".
HTPASSWD = "somebody:$2b$04$9vNzC.bLGyBOxISvdkBiLexaIjLnZUFCCYV.1E6xOa38dx9xPWq4u"
LOGIN = base64.b64encode(b"somebody:secret").decode()


@pytest.mark.parametrize("media_type", [images.DOCKER, images.OCI, images.OCI_INDEX])
def test_a_manifest_is_read_as_it_was_pushed(image_registry, tmp_path, media_type) -> None:
    host = image_registry()
    digest = images.put_image(host, "some/reviews:1", media_type)
    manifest = HttpRegistry(host, tmp_path).manifest("some/reviews", "1")
    assert (manifest.media_type, manifest.digest) == (media_type, digest)


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_platform_is_that_of_the_images_configuration(
    image_registry, tmp_path, architecture
) -> None:
    host = image_registry()
    images.put_image(host, "reviews:1", images.DOCKER, architecture=architecture)
    registry = HttpRegistry(host, tmp_path)
    manifest = registry.manifest("reviews", "1")
    assert registry.platform("reviews", manifest) == f"linux/{architecture}"


def test_what_docker_login_stored_opens_a_closed_registry(image_registry, tmp_path) -> None:
    host = image_registry(HTPASSWD)
    headers = {"Authorization": f"Basic {LOGIN}"}
    digest = images.put_image(host, "reviews:1", images.DOCKER, headers=headers)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": LOGIN}}}))
    assert HttpRegistry(host, tmp_path).manifest("reviews", "1").digest == digest


def credential_helper(directory: Path, monkeypatch, script: str) -> None:
    """Put docker-credential-test on PATH, a program as docker's own helpers are."""
    shell_program.write(directory, "docker-credential-test", script)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_credential_helper_opens_a_closed_registry(
    image_registry, tmp_path, monkeypatch, key
) -> None:
    host = image_registry(HTPASSWD)
    headers = {"Authorization": f"Basic {LOGIN}"}
    digest = images.put_image(host, "reviews:1", images.DOCKER, headers=headers)
    answer = json.dumps({"ServerURL": host, "Username": "somebody", "Secret": "secret"})
    script = f"""[ "$1" = get ] && [ "$(cat)" = {host} ] && echo '{answer}'"""
    credential_helper(tmp_path, monkeypatch, script)
    config = {key: "test" if key == "credsStore" else {host: "test"}, "auths": {host: {}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert HttpRegistry(host, tmp_path).manifest("reviews", "1").digest == digest


def test_a_closed_registry_says_to_log_in(image_registry, tmp_path, monkeypatch) -> None:
    host = image_registry(HTPASSWD)
    credential_helper(tmp_path, monkeypatch, "exit 1")
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "test"}))
    with pytest.raises(errors.RegistryError, match=rf"401.*docker login {host}"):
        HttpRegistry(host, tmp_path).manifest("reviews", "1")


def test_a_missing_tag_is_named(image_registry, tmp_path) -> None:
    with pytest.raises(
        errors.RegistryError, match=r"/v2/reviews/manifests/1 cannot be read: .*404"
    ):
        HttpRegistry(image_registry(), tmp_path).manifest("reviews", "1")


def test_a_registry_elsewhere_is_never_asked_over_plain_http(tmp_path) -> None:
    with pytest.raises(errors.RegistryError, match=r"^https://registry\.invalid/v2/"):
        HttpRegistry("registry.invalid", tmp_path).manifest("reviews", "1")


class _Redirecting(BaseHTTPRequestHandler):
    """Answers as ECR does: a blob is at a signed address, which takes no other credentials."""

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization")
        if self.path.startswith("/v2/"):
            self.send_response(307 if authorization == "Basic known" else 401)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/signed")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b'{"os": "linux", "architecture": "arm64"}'
        self.send_response(400 if authorization else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_credentials_do_not_follow_a_redirect() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Redirecting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        registry = HttpRegistry(f"127.0.0.1:{server.server_port}", authorization="Basic known")
        manifest = Manifest(images.DOCKER, "any", images.manifest(images.DOCKER))
        assert registry.platform("reviews", manifest) == "linux/arm64"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
