"""Manifests, tags and platforms read from real registries: open, with a login, with tokens."""

import base64
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pushed_images as images
import pytest
import shell_program
import token_registry

from byoi import errors
from byoi.registry import Login, Manifest, Registry

# The password is "secret".
HTPASSWD = "somebody:$2b$04$9vNzC.bLGyBOxISvdkBiLexaIjLnZUFCCYV.1E6xOa38dx9xPWq4u"
LOGIN = base64.b64encode(b"somebody:secret").decode()
KNOWN = f"Basic {base64.b64encode(b'known:secret').decode()}"
CONFIG = b'{"os": "linux", "architecture": "arm64"}'


def stored(directory: Path) -> dict[str, str]:
    """The environment whose docker configuration is in a directory."""
    return {**os.environ, "DOCKER_CONFIG": str(directory)}


@pytest.mark.parametrize("media_type", [images.DOCKER, images.OCI, images.OCI_INDEX])
def test_a_manifest_is_read_as_it_was_pushed(image_registry, tmp_path, media_type) -> None:
    host = image_registry()
    digest = images.put_image(host, "some/reviews:1", media_type)
    manifest = Registry(host, environ=stored(tmp_path)).manifest("some/reviews", "1")
    assert (manifest.media_type, manifest.digest) == (media_type, digest)


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_platform_is_that_of_the_images_configuration(
    image_registry, tmp_path, architecture
) -> None:
    host = image_registry()
    images.put_image(host, "reviews:1", images.DOCKER, architecture=architecture)
    registry = Registry(host, environ=stored(tmp_path))
    manifest = registry.manifest("reviews", "1")
    assert registry.platform("reviews", manifest) == f"linux/{architecture}"


def test_what_docker_login_stored_opens_a_closed_registry(image_registry, tmp_path) -> None:
    host = image_registry(HTPASSWD)
    headers = {"Authorization": f"Basic {LOGIN}"}
    digest = images.put_image(host, "reviews:1", images.DOCKER, headers=headers)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": LOGIN}}}))
    assert Registry(host, environ=stored(tmp_path)).manifest("reviews", "1").digest == digest


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
    assert Registry(host, environ=stored(tmp_path)).manifest("reviews", "1").digest == digest


def test_a_closed_registry_says_to_log_in(image_registry, tmp_path, monkeypatch) -> None:
    host = image_registry(HTPASSWD)
    credential_helper(tmp_path, monkeypatch, "exit 1")
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "test"}))
    with pytest.raises(errors.RegistryError, match=rf"401.*docker login {host}"):
        Registry(host, environ=stored(tmp_path)).manifest("reviews", "1")


@pytest.mark.parametrize("script", [None, "echo not JSON", "echo '{}'"])
def test_a_credential_helper_that_cannot_be_used_is_named(
    image_registry, tmp_path, monkeypatch, script
) -> None:
    host = image_registry(HTPASSWD)
    if script:
        credential_helper(tmp_path, monkeypatch, script)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "test"}))
    with pytest.raises(
        errors.RegistryError, match=rf"docker stored cannot be .*docker login {host}"
    ):
        Registry(host, environ=stored(tmp_path)).manifest("reviews", "1")


def test_a_broken_docker_configuration_is_named(image_registry, tmp_path) -> None:
    host = image_registry(HTPASSWD)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: "secret"}}))
    with pytest.raises(errors.RegistryError, match=rf"{tmp_path}/config.json.*docker login"):
        Registry(host, environ=stored(tmp_path)).manifest("reviews", "1")


def test_a_wrong_login_is_refused_by_its_name(image_registry, tmp_path) -> None:
    login = Login("somebody", "wrong")
    with pytest.raises(errors.RegistryError, match=r"401 Unauthorized .*the login was refused"):
        Registry(image_registry(HTPASSWD), login=login).manifest("reviews", "1")


def test_tags_are_listed_and_a_manifest_goes_with_its_tags(image_registry, tmp_path) -> None:
    registry = Registry(image_registry(HTPASSWD), login=Login("somebody", "secret"))
    assert registry.tags("reviews") == []
    headers = {"Authorization": f"Basic {LOGIN}"}
    for tag in ("1", "2"):
        digest = images.put_image(registry.host, f"reviews:{tag}", images.DOCKER, headers=headers)
    assert sorted(registry.tags("reviews")) == ["1", "2"]
    found = registry.find_manifest("reviews", "2")
    assert found == registry.manifest("reviews", digest)
    assert images.digest(found.body) == digest
    assert registry.delete("reviews", digest)
    assert not registry.delete("reviews", digest)
    assert registry.find_manifest("reviews", "2") is None


def test_a_missing_tag_is_named(image_registry, tmp_path) -> None:
    with pytest.raises(
        errors.RegistryError, match=r"/v2/reviews/manifests/1 cannot be read: .*404"
    ):
        Registry(image_registry(), environ=stored(tmp_path)).manifest("reviews", "1")


def test_a_registry_elsewhere_is_never_asked_over_plain_http(tmp_path) -> None:
    with pytest.raises(errors.RegistryError, match=r"^https://registry\.invalid/v2/"):
        Registry("registry.invalid", environ=stored(tmp_path)).manifest("reviews", "1")


class _Redirecting(BaseHTTPRequestHandler):
    """Answers as ECR does: a blob is at a signed address, which takes no other credentials."""

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization")
        if self.path.startswith("/v2/"):
            self.send_response(307 if authorization == KNOWN else 401)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/signed")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = CONFIG
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
        login = Login("known", "secret")
        registry = Registry(f"127.0.0.1:{server.server_port}", login=login)
        content = {**images.manifest(images.DOCKER), "config": {"digest": images.digest(CONFIG)}}
        manifest = Manifest(images.DOCKER, "any", json.dumps(content).encode())
        assert registry.platform("reviews", manifest) == "linux/arm64"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "503 Service Unavailable; check the registry"),
        (b"[1]", "503 Service Unavailable; check the registry"),
        (
            b'{"errors": [{"code": "DOWN", "message": "for\\nan hour"}]}',
            "503 Service Unavailable (DOWN: for an hour); check the registry",
        ),
    ],
)
def test_a_registrys_own_reason_is_shown(answering, body, expected) -> None:
    host = answering({"/v2/reviews/manifests/1": (503, {}, body)})
    with pytest.raises(errors.RegistryError) as caught:
        Registry(host, environ={}).manifest("reviews", "1")
    assert expected in str(caught.value)


def test_content_of_another_digest_is_refused(answering) -> None:
    wanted = f"sha256:{'0' * 64}"
    host = answering({f"/v2/reviews/manifests/{wanted}": (200, {}, b"{}")})
    with pytest.raises(errors.RegistryError, match="received the content of sha256:4413"):
        Registry(host, environ={}).manifest("reviews", wanted)


def test_more_than_a_page_of_tags_is_found(answering) -> None:
    link = '</v2/reviews/tags/list?last=b&n=2>; rel="next"'
    host = answering(
        {
            "/v2/reviews/tags/list": (200, {"Link": link}, b'{"tags": ["a", "b"]}'),
            "/v2/reviews/tags/list?last=b&n=2": (200, {}, b'{"tags": ["c"]}'),
        }
    )
    assert Registry(host, environ={}).tags("reviews") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "realm", ["http://tokens.example.org/token", "file:///etc/passwd", "token", "http://[::1"]
)
def test_a_login_is_sent_to_no_token_server_that_is_not_safe(answering, realm) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="any"'}
    host = answering({"/v2/reviews/manifests/1": (401, challenge, b"")})
    registry = Registry(host, login=Login("somebody", "secret"))
    with pytest.raises(errors.RegistryError, match=r"the token server .*expected an https"):
        registry.manifest("reviews", "1")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b"{}"])
def test_a_token_server_without_a_token_is_named(answering, body) -> None:
    host = answering({"/token?service=any": (200, {}, body)})
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="any"'}
    answering.answers["/v2/reviews/manifests/1"] = (401, challenge, b"")
    with pytest.raises(errors.RegistryError, match="answered without a token"):
        Registry(host, environ={}).manifest("reviews", "1")


def test_a_token_server_that_does_not_answer_is_named(answering, free_port) -> None:
    realm = f"http://127.0.0.1:{free_port}/token"
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    host = answering({"/v2/reviews/manifests/1": (401, challenge, b"")})
    with pytest.raises(
        errors.RegistryError, match=rf"token server '{realm}' of the registry does not answer"
    ):
        Registry(host, environ={}).manifest("reviews", "1")


class Answering:
    """A server whose answers a test writes down: path to status, headers and body."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = answering.answers[self.path]
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __call__(self, answers: dict[str, tuple[int, dict[str, str], bytes]]) -> str:
        self.answers = answers
        return f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def answering() -> Iterator[Answering]:
    made = Answering()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def docker(*arguments: str, config: Path, stdin: bytes = b"") -> str:
    """Run docker with a configuration of its own."""
    command = ["docker", "--config", str(config), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


class Pushed:
    """A registry with tokens, into which docker has pushed `private/x:1` and `public/x:1`."""

    def __init__(self, host: str, tokens: token_registry.TokenServer, folder: Path) -> None:
        self.host, self.tokens, self.folder = host, tokens, folder
        config = self.log_in(folder / "pusher")
        # An empty archive is an image without files.
        local = docker(
            "import", "-", f"byoi-test/{uuid.uuid4().hex}:1", config=config, stdin=bytes(1024)
        )
        self.names = [f"{host}/{kind}/x:1" for kind in ("private", "public")]
        for name in self.names:
            docker("tag", local, name, config=config)
            docker("push", name, config=config)
        docker("rmi", "--force", local, config=config)

    def log_in(self, config: Path) -> Path:
        """Store a login as `docker login` does, and return the configuration's folder."""
        login = ("login", "--username", token_registry.USER, "--password-stdin", self.host)
        docker(*login, config=config, stdin=token_registry.PASSWORD.encode())
        self.tokens.asked.clear()
        return config

    def registry(self, config: Path) -> Registry:
        return Registry(self.host, environ=stored(config))


@pytest.fixture(scope="module")
def running_registry(tmp_path_factory) -> Iterator[Pushed]:
    with token_registry.running() as (host, tokens):
        folder = tmp_path_factory.mktemp("docker")
        made = Pushed(host, tokens, folder)
        yield made
        docker("rmi", "--force", *made.names, config=folder)


@pytest.fixture
def pushed(running_registry: Pushed) -> Pushed:
    running_registry.tokens.field = "token"
    running_registry.tokens.gives_refresh_tokens = False
    running_registry.tokens.asked.clear()
    return running_registry


needs_token_registry = pytest.mark.needs("docker", "docker-registry")


@needs_token_registry
@pytest.mark.parametrize("field", ["token", "access_token"])
def test_a_stored_login_gets_the_token_that_a_registry_asks_for(
    pushed: Pushed, tmp_path, field
) -> None:
    registry = pushed.registry(pushed.log_in(tmp_path))
    pushed.tokens.field = field
    manifest = registry.manifest("private/x", "1")
    assert manifest.media_type == images.DOCKER
    assert registry.platform("private/x", manifest).startswith("linux/")
    scope = "repository:private/x:pull"
    asked = {
        "service": [token_registry.SERVICE],
        "account": [token_registry.USER],
        "scope": [scope],
    }
    # One token for both requests.
    assert pushed.tokens.asked == [("GET", token_registry.USER, asked)]


@needs_token_registry
def test_an_identity_token_is_exchanged_for_an_access_token(pushed: Pushed, tmp_path) -> None:
    pushed.tokens.gives_refresh_tokens = True
    config = pushed.log_in(tmp_path)
    assert "identitytoken" in (config / "config.json").read_text()
    assert pushed.registry(config).manifest("private/x", "1").media_type == images.DOCKER
    ((method, _, asked),) = pushed.tokens.asked
    assert method == "POST"
    assert asked["grant_type"] == ["refresh_token"]
    assert asked["scope"] == ["repository:private/x:pull"]
    assert asked["client_id"] == ["byoi"]


@needs_token_registry
def test_without_a_login_what_is_public_is_read(pushed: Pushed, tmp_path) -> None:
    registry = pushed.registry(tmp_path)
    assert registry.manifest("public/x", "1").media_type == images.DOCKER
    assert pushed.tokens.asked[0][:2] == ("GET", "")
    with pytest.raises(errors.RegistryError, match=r"401 .*no stored login: .docker login"):
        registry.manifest("private/x", "1")
    # The other repository has a token of its own.
    assert registry.tags("public/x") == ["1"]


@needs_token_registry
def test_a_wrong_password_is_named_with_the_token_servers_reason(pushed: Pushed) -> None:
    registry = Registry(pushed.host, login=Login(token_registry.USER, "wrong"))
    with pytest.raises(
        errors.RegistryError,
        match=rf"{pushed.tokens.url}' of .* refuses the login: 401 .*wrong login.*docker login",
    ):
        registry.manifest("private/x", "1")


@needs_token_registry
def test_a_missing_tag_is_told_from_a_missing_right(pushed: Pushed, tmp_path) -> None:
    registry = pushed.registry(pushed.log_in(tmp_path))
    assert registry.find_manifest("private/x", "absent") is None
    with pytest.raises(errors.RegistryError, match=r"404 .*push it first"):
        registry.manifest("private/x", "absent")


@needs_token_registry
def test_the_check_after_a_push_works_with_tokens(pushed: Pushed, tmp_path) -> None:
    digest = pushed.registry(pushed.log_in(tmp_path)).manifest("private/x", "1").digest
    command = [sys.executable, "-m", "byoi.deployment.push", "check"]
    done = subprocess.run(
        [*command, f"{pushed.host}/private/x:1", "linux/amd64"],
        env=stored(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{pushed.host}/private/x@{digest}\n", "")
