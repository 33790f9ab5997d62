"""A client of any image registry: manifests, tags and platforms, through its HTTP API.

It logs in as docker does: with the logins that `docker login` stored, a token of the registry's
token server where the registry asks for one, and anonymously where there is no login.

Sources: distribution.github.io/distribution/spec: api (manifests, tags, blobs), auth/token and
auth/oauth (challenge, GET and POST of a token); RFC 7235, section 2.1 (challenges).
"""

import base64
import hashlib
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from byoi import errors, names, proxies

_TIMEOUT_S = 30
# The public registry's short name, and the host of its HTTP API.
_DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
# How a token server knows which program asks.
_CLIENT_ID = "byoi"
# A request without an answer fails with one of these.
_NO_ANSWER = (OSError, http.client.HTTPException)
# The registry's reason for a refusal is shown up to this length.
_REASON_CHARACTERS = 200


@dataclass(frozen=True)
class Login:
    """A user's login at a registry.

    Attributes:
        user: Name of the user; "" with an identity token.
        password: Password of the user.
        identity_token: What `docker login` stores instead of a password where the registry's
            token server gave one; it is exchanged for access tokens.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header with user and password; "" without a user."""
        if not self.user:
            return ""
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return f"Basic {pair}"


@dataclass(frozen=True)
class Manifest:
    """The manifest of an image, or of an index of images.

    Attributes:
        media_type: Media type, as the registry names it.
        digest: `sha256:...` of `body`.
        body: The JSON document, byte for byte.
    """

    media_type: str
    digest: str
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The JSON document."""
        content: dict[str, Any] = json.loads(self.body)
        return content


class Registry:
    """An image registry.

    Attributes:
        host: `HOST[:PORT]`, as in the names of its images.
    """

    def __init__(
        self, host: str, *, login: Login | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Remember the registry; nothing is sent yet.

        Args:
            host: `HOST[:PORT]`. Plain HTTP is used on this machine only, as docker does.
            login: The login to use; by default the one that docker has stored for the host, read
                when the registry asks for a login.
            environ: Where DOCKER_CONFIG and HOME are read, which lead to docker's stored logins;
                credential helpers run with these variables.
        """
        self.host = host
        self._login = login
        self._environ = environ
        api_host = _DOCKER_HUB_API if host == _DOCKER_HUB else host
        is_local = names.is_this_machine(host)
        # The first that answers is kept.
        self._addresses = [
            f"{scheme}://{api_host}" for scheme in (("https", "http") if is_local else ("https",))
        ]
        self._authorization = login.basic if login else ""

    def manifest(self, repository: str, version: str) -> Manifest:
        """Return the manifest under a tag or digest.

        Raises:
            RegistryError: There is none, or it cannot be read.
        """
        return _to_manifest(self._read(f"{repository}/manifests/{version}"))

    def find_manifest(self, repository: str, version: str) -> Manifest | None:
        """Return the manifest under a tag or digest, None if there is none.

        Raises:
            RegistryError: It cannot be read.
        """
        answer = self._request("GET", f"{repository}/manifests/{version}")
        return None if answer.status == HTTPStatus.NOT_FOUND else _to_manifest(self._check(answer))

    def platform(self, repository: str, manifest: Manifest) -> str | None:
        """Return the platform an image was built for, such as `linux/amd64`; None for an index.

        Raises:
            RegistryError: The image's configuration cannot be read.
        """
        described = manifest.content.get("config")
        if described is None:
            return None
        answer = self._read(f"{repository}/blobs/{described['digest']}")
        _check_digest(answer, described["digest"])
        config = json.loads(answer.body)
        return f"{config['os']}/{config['architecture']}"

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository; none if there is no such repository.

        Raises:
            RegistryError: They cannot be read.
        """
        found: list[str] = []
        path = f"{repository}/tags/list"
        while path:
            answer = self._request("GET", path)
            if answer.status == HTTPStatus.NOT_FOUND:
                return []
            found += json.loads(self._check(answer).body).get("tags") or ()
            path = _next_page(answer)
        return found

    def delete(self, repository: str, digest: str) -> bool:
        """Delete a manifest with all its tags; False if there is none.

        Raises:
            RegistryError: The registry refuses it.
        """
        answer = self._request("DELETE", f"{repository}/manifests/{digest}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return False
        self._check(answer, "deleted")
        return True

    def _read(self, path: str) -> "_Answer":
        return self._check(self._request("GET", path))

    def _request(self, method: str, path: str) -> "_Answer":
        """Make a request, and repeat it with a login if the registry asks for one."""
        if self.host == _DOCKER_HUB and path.split("/", 2)[1] in {"manifests", "blobs", "tags"}:
            # Docker Hub's own images: docker.io/python is docker.io/library/python.
            path = f"library/{path}"
        answer = self._send(method, path)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            authorization = self._authorize(answer)
            if authorization and authorization != self._authorization:
                self._authorization = authorization
                answer = self._send(method, path)
        return answer

    def _send(self, method: str, path: str) -> "_Answer":
        accepted = ", ".join((*names.MANIFEST_TYPES, "*/*"))
        for address in self._addresses:
            url = f"{address}/v2/{path}"
            try:
                answer = _exchange(
                    method, url, {"Accept": accepted}, authorization=self._authorization
                )
            except _NO_ANSWER as error:
                failure = error
            else:
                # The next request begins with the scheme that was answered.
                self._addresses = [address]
                return answer
        raise errors.RegistryError(
            f"{url} cannot be read: {failure}; check the registry's name, its certificate and the "
            "network"
        ) from failure

    def _authorize(self, refusal: "_Answer") -> str:
        """Return the Authorization header that a registry asks for; "" if there is no login.

        Raises:
            RegistryError: The token server cannot be used, or refuses the login.
        """
        challenges = _challenges(refusal)
        if self._login is None:
            self._login = _read_stored_login(self.host, self._environ)
        if "bearer" in challenges:
            return f"Bearer {self._fetch_token(refusal.url, challenges['bearer'])}"
        return self._login.basic if self._login and "basic" in challenges else ""

    def _fetch_token(self, url: str, challenge: Mapping[str, str]) -> str:
        """Return an access token for what a challenge asks for."""
        realm = challenge.get("realm", "")
        failure = f"{url} cannot be read: the token server {realm!r} of the registry"
        if not _is_token_server(realm):
            raise errors.RegistryError(
                f"{failure} may not be used: expected an https:// URL (http:// on this machine "
                "only); check the registry's configuration"
            )
        try:
            answer = _ask_for_token(challenge, self._login)
        except _NO_ANSWER as error:
            message = f"{failure} does not answer: {error}; check the network"
            raise errors.RegistryError(message) from error
        if answer.status != HTTPStatus.OK:
            client = "the login" if self._login else "a client without a login"
            raise errors.RegistryError(
                f"{failure} refuses {client}: {answer}; `docker login {self.host}` with a user "
                "that may read it"
            )
        try:
            content = json.loads(answer.body)
            token = content.get("token") or content.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise errors.RegistryError(
                f"{failure} answered without a token: expected JSON with the field token or "
                "access_token; check the registry's configuration"
            )
        return token

    def _check(self, answer: "_Answer", done: str = "read") -> "_Answer":
        """Return a successful answer.

        Raises:
            RegistryError: The request was refused; the message has the way out.
        """
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        log_in = f"`docker login {self.host}` with a user that may read it"
        state = "there is no stored login" if self._login is None else "the login was refused"
        remedies: dict[int, str] = {
            HTTPStatus.UNAUTHORIZED: f"{state}: {log_in}",
            HTTPStatus.FORBIDDEN: f"{state}: {log_in}",
            HTTPStatus.NOT_FOUND: "push it first (./build_and_push.sh), or check name and tag",
            HTTPStatus.TOO_MANY_REQUESTS: f"wait, or {log_in}",
        }
        remedy = remedies.get(answer.status, f"check the registry {self.host}")
        raise errors.RegistryError(f"{answer.url} cannot be {done}: {answer}; {remedy}")


@dataclass(frozen=True)
class _Answer:
    """What a server answered to a request for `url`."""

    url: str
    status: int
    headers: Any
    body: bytes

    def __str__(self) -> str:
        """Return status and reason as a line."""
        line = f"{self.status} {http.client.responses.get(self.status, '')}".strip()
        try:
            first = json.loads(self.body)["errors"][0]
            reason = f"{first['code']}: {first.get('message', '')}"
        except (ValueError, LookupError, TypeError):
            return line
        return f"{line} ({' '.join(reason.split())[:_REASON_CHARACTERS]})"


def _read_stored_login(host: str, environ: Mapping[str, str]) -> Login | None:
    """Return the login that docker has stored for a registry that asks for one, None without one.

    Raises:
        MissingProgramError: Python's package `docker`, which reads them, is not installed.
        RegistryError: Docker's configuration or credential helper cannot be used.
    """
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if not config.is_file():
        return None
    try:
        # Here, because registries without a login need no docker package.
        import docker.auth  # noqa: PLC0415 - see above
        import docker.credentials  # noqa: PLC0415
        import docker.errors  # noqa: PLC0415
    except ImportError as error:
        raise errors.MissingProgramError(
            f"the registry {host} asks for a login (401 Unauthorized), and Python's package "
            "docker, which reads docker's stored logins, is not installed: run `make .venv`"
        ) from error
    try:
        # The SDK warns of a missing helper before it raises.
        with warnings.catch_warnings(action="ignore"):
            stored = docker.auth.load_config(
                str(config), config_dict=None, credstore_env=dict(environ)
            )
            found = stored.resolve_authconfig(host)
    except (
        docker.errors.DockerException,
        docker.credentials.StoreError,
        # A helper's answer that is not the expected JSON.
        ValueError,
        LookupError,
        TypeError,
    ) as error:
        raise errors.RegistryError(
            f"the registry {host} asks for a login (401 Unauthorized), and the one that docker "
            f"stored cannot be read from {config}: {error}; `docker login {host}` stores it again"
        ) from error
    # The SDK's keys begin with a capital letter where a credential helper answered.
    fields = {key.lower(): value for key, value in (found or {}).items()}
    user, password = fields.get("username") or "", fields.get("password") or ""
    token = fields.get("identitytoken") or ""
    return Login(user, password, token) if user or token else None


def _ask_for_token(challenge: Mapping[str, str], login: Login | None) -> "_Answer":
    """Ask the token server of a challenge: by POST with an identity token, else by GET.

    Raises:
        OSError: It does not answer.
        HTTPException: Its answer is not HTTP.
    """
    parts = urllib.parse.urlsplit(challenge["realm"])
    scopes = challenge.get("scope", "").split()
    asked = [("service", challenge["service"])] if "service" in challenge else []
    if login and login.identity_token:
        asked += [
            ("grant_type", "refresh_token"),
            ("refresh_token", login.identity_token),
            ("client_id", _CLIENT_ID),
            ("scope", " ".join(scopes)),
        ]
        body = urllib.parse.urlencode(asked).encode()
        return _exchange("POST", challenge["realm"], {}, body=body)
    asked += [("account", login.user)] if login else []
    asked += [("scope", scope) for scope in scopes]
    query = "&".join(filter(None, (parts.query, urllib.parse.urlencode(asked))))
    url = urllib.parse.urlunsplit(parts._replace(query=query))
    return _exchange("GET", url, {}, authorization=login.basic if login else "")


def _exchange(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    authorization: str = "",
    body: bytes | None = None,
) -> _Answer:
    """Send a request and return whatever is answered.

    Raises:
        OSError: Nothing answers.
        HTTPException: The answer is not HTTP.
    """
    # None is the environment's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies.of(url)))
    request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310 - http(s) by the callers
    if authorization:
        # Not for a redirect's target: S3, where ECR redirects to, refuses a signed address with
        # this header, and another host must not see it.
        request.add_unredirected_header("Authorization", authorization)
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            return _Answer(url, response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(url, error.code, error.headers, error.read())


def _is_token_server(realm: str) -> bool:
    """Whether a login may be sent to a URL."""
    try:
        parts = urllib.parse.urlsplit(realm)
    except ValueError:
        return False
    is_local = parts.scheme == "http" and names.is_this_machine(parts.netloc)
    return bool(parts.netloc) and (parts.scheme == "https" or is_local)


def _to_manifest(answer: _Answer) -> Manifest:
    wanted = answer.url.rpartition("/")[2]
    digest = _check_digest(answer, wanted if wanted.startswith("sha256:") else "")
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return Manifest(media_type, digest, answer.body)


def _check_digest(answer: _Answer, wanted: str) -> str:
    """Return the digest of an answer's body, which is the wanted one if there is one.

    Raises:
        RegistryError: It is another one.
    """
    digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    if wanted not in {"", digest}:
        raise errors.RegistryError(
            f"{answer.url} cannot be read: received the content of {digest}; check the registry, "
            "and proxies on the way to it"
        )
    return digest


def _next_page(answer: _Answer) -> str:
    """Return the path below /v2/ that a Link header names as the next page; "" on the last."""
    target, _, relation = answer.headers.get("Link", "").partition(";")
    if 'rel="next"' not in relation:
        return ""
    # Only its path: the next page is at the same registry.
    parts = urllib.parse.urlsplit(urllib.parse.urljoin(answer.url, target.strip().strip("<>")))
    return f"{parts.path.removeprefix('/v2/')}?{parts.query}"


def _challenges(refusal: _Answer) -> dict[str, dict[str, str]]:
    """Return the parameters of each scheme, in lower case, that a 401 names."""
    found = {}
    for value in refusal.headers.get_all("WWW-Authenticate") or ():
        scheme, _, rest = value.partition(" ")
        pairs = [item for item in urllib.request.parse_http_list(rest) if "=" in item]
        found[scheme.lower()] = urllib.request.parse_keqv_list(pairs)
    return found
