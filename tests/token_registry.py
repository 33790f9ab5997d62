"""A registry that asks for tokens, as hosted registries do, and the server that gives them.

The registry is Debian's docker-registry; it verifies each token's signature.
"""

import base64
import contextlib
import datetime as dt
import http.client
import json
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from byoi.local import processes

USER, PASSWORD, REFRESH_TOKEN = "somebody", "secret", "a-refresh-token"
# Anybody may pull what is in here; the rest needs a login.
PUBLIC = "public/"
SERVICE, ISSUER = "byoi-test-registry", "byoi-test-issuer"


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Signer:
    """A throw-away key with a certificate that it signed itself."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, ISSUER)])
        now = dt.datetime.now(dt.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def token(self, user: str, access: list[dict[str, Any]]) -> str:
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + 300,
            "nbf": now - 60,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encode(signature)}"


class TokenServer(ThreadingHTTPServer):
    """What a challenge's `realm` names.

    Attributes:
        field: Name of the answer's field with the token.
        gives_refresh_tokens: Whether `docker login` gets an identity token to store.
        asked: Method, user, parameters of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.signer = Signer()
        self.field = "token"
        self.gives_refresh_tokens = False
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"

    def answer(self, user: str, asked: dict[str, list[str]]) -> dict[str, str]:
        access = []
        for scope in " ".join(asked.get("scope", [])).split():
            kind, name, actions = scope.split(":")
            wanted = actions.split(",") if user else ["pull"] if name.startswith(PUBLIC) else []
            access.append({"type": kind, "name": name, "actions": wanted})
        answer = {self.field: self.signer.token(user, access)}
        if self.gives_refresh_tokens and asked.get("offline_token"):
            answer["refresh_token"] = REFRESH_TOKEN
        return answer


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_GET(self) -> None:
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        header = self.headers.get("Authorization", "")
        user = ""
        if header:
            user, _, password = base64.b64decode(header.split()[1]).decode().partition(":")
            if (user, password) != (USER, PASSWORD):
                self.reply(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong login"}]})
                return
        self.server.asked.append(("GET", user, asked))
        self.reply(200, self.server.answer(user, asked))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = urllib.parse.parse_qs(body)
        if asked.get("grant_type") == ["password"]:
            is_known = (asked["username"], asked["password"]) == ([USER], [PASSWORD])
        else:
            is_known = asked.get("refresh_token") == [REFRESH_TOKEN]
        if not is_known:
            self.reply(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong token"}]})
            return
        self.server.asked.append(("POST", USER, asked))
        answer = self.server.answer(USER, asked)
        # The OAuth2 form has this field only.
        self.reply(200, {"access_token": answer.get("token", ""), **answer})

    def reply(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running() -> Iterator[tuple[str, TokenServer]]:
    """Run both; yield the registry's host:port and the token server."""
    tokens = TokenServer()
    thread = threading.Thread(target=tokens.serve_forever)
    thread.start()
    host = f"127.0.0.1:{processes.find_free_port()}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "root.pem"
            bundle.write_bytes(tokens.signer.certificate.public_bytes(serialization.Encoding.PEM))
            settings = {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {
                    "filesystem": {"rootdirectory": folder},
                    "delete": {"enabled": True},
                },
                "http": {"addr": host},
                "auth": {
                    "token": {
                        "realm": tokens.url,
                        "service": SERVICE,
                        "issuer": ISSUER,
                        "rootcertbundle": str(bundle),
                    }
                },
            }
            file = Path(folder) / "registry.yml"
            file.write_text(json.dumps(settings))
            with subprocess.Popen(
                ["docker-registry", "serve", file],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                try:
                    wait(host, process)
                    yield host, tokens
                finally:
                    process.terminate()
    finally:
        tokens.shutdown()
        thread.join()
        tokens.server_close()


def wait(host: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the registry answers."""
    end_s = time.monotonic() + 30
    while not answers(host):
        assert process.poll() is None
        assert time.monotonic() < end_s
        time.sleep(0.05)


def answers(host: str) -> bool:
    connection = http.client.HTTPConnection(host, timeout=2)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED
        except OSError:
            return False
