"""Which requests are let in: of this machine's own programs, with a valid signature.

What can be judged by the request line and the headers is judged before the body is read: the
form of the signature, its key, its time and, where it states the body's digest as S3's do, the
signature itself. Elsewhere the body is a part of what is signed; it is read up to the longest
that an endpoint takes. Of a form for S3 the fields in front of the file are read, up to 64 KiB.

A web page can send requests to a port of this machine, and DNS can name this machine by any
host; both are told by headers that a page cannot set.

Sources: Fetch Metadata Request Headers (w3c.github.io/webappsec-fetch-metadata), RFC 6454.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request

from byoi import contract
from byoi.emulator import answers, payloads, post_policy, signatures
from byoi.emulator.answers import DeniedError
from byoi.emulator.credentials import Credentials, Key
from byoi.emulator.signatures import Signature, SigV4

# A name that only DNS could lead here, as bucket.localhost might be, is refused as well.
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
# A request of this origin's own page, and one that no page made.
_SITES = frozenset({"same-origin", "none"})


def host_problem(headers: Headers) -> str:
    """Return why the Host header is refused, "" where it names this machine."""
    host = headers.get("Host", "")
    if _HOST.fullmatch(host):
        return ""
    return (
        f"the Host header is {host[:100]!r}, expected 127.0.0.1, localhost or [::1] with any port "
        "(S3 by path, not by a bucket's host name)"
    )


def page_problem(headers: Headers) -> str:
    """Return why a request that a web page sent is refused, "" where no foreign page did."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site not in _SITES:
        return f"a web page of another origin sent it (Sec-Fetch-Site: {site[:100]!r})"
    origin = headers.get("Origin")
    host = headers.get("Host", "")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return f"a web page of another origin sent it (Origin: {origin[:100]!r}, Host: {host!r})"
    return ""


# No bucket can have this name: an underscore is not allowed in one.
LIVENESS_PATH = "/_byoi/alive"


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and to which service.

    Attributes:
        access_key: The key's id.
        region: Of the service.
        service: By its signing name.
    """

    access_key: str
    region: str
    service: str


class Door:
    """Lets requests in.

    Args:
        credentials: The keys that are accepted.
        region: For requests whose signature names none.
        variables_file: Where the variables stand that lead clients here.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        region: str,
        variables_file: Path,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._now = now
        self._way_in = (
            "This emulator takes only the keys of its own start and those that its IAM and STS "
            "issued. A client finds the former in the variables AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY, which this loads: . {variables_file}"
        )

    def now(self) -> float:
        """Return the seconds since 1970, by the clock that signatures are judged by."""
        return self._now()

    def require_host(self, request: Request) -> None:
        """Refuse a request that was sent to another host's name."""
        if problem := host_problem(request.headers):
            raise DeniedError(answers.FOREIGN, f"Access denied: {problem}.")

    def require_own(self, request: Request) -> None:
        """Refuse a request that a foreign web page sent, or that asks for one."""
        if problem := page_problem(request.headers):
            raise DeniedError(answers.FOREIGN, f"Access denied: {problem}.")
        if request.method == "OPTIONS":
            raise DeniedError(
                answers.FOREIGN, "Access denied: OPTIONS, which only a web page asks, is refused."
            )

    def admit(self, request: Request) -> Caller:
        """Return who sent a request.

        Raises:
            DeniedError: It came from elsewhere, or without a valid signature.
        """
        self.require_own(request)
        try:
            return self._caller(request)
        except DeniedError as denied:
            if denied.status != answers.FORBIDDEN:
                raise
            message = f"Access denied: {denied.message}. {self._way_in}"
            raise DeniedError(denied.codes, message) from denied

    def _caller(self, request: Request) -> Caller:
        signature = signatures.read(request)
        if signature is None:
            if post_policy.is_upload(request):
                return self._uploader(request)
            raise DeniedError(
                answers.MISSING, f"received no signature, expected {signatures.ACCEPTED}"
            )
        key = self.key_of(signature)
        if not payloads.is_known(signature):
            raise DeniedError(
                answers.UNSUPPORTED,
                f"received a body that is signed as {(signature.content or '')[:64]!r}, which "
                "cannot be checked here",
            )
        payload = signature.content
        if payload is None:
            body = payloads.read(request, contract.REQUEST_BODY_BYTES)
            payload = hashlib.sha256(body).hexdigest()
        require(signature.value, signature.expected(key, payload))
        if isinstance(signature, SigV4):
            payloads.check(signature, key)
        _tell_moto(request, signature)
        return self._named(signature)

    def key_of(self, signature: Signature, *, skew_s: float = signatures.SKEW_S) -> Key:
        """Return the key that a signature names; the signature itself is not compared.

        Args:
            signature: The signature.
            skew_s: How far the clocks of client and service may be apart.

        Raises:
            DeniedError: The key is not valid, or the signature's form or time are not.
        """
        key = self._key(signature.access_key, signature.token)
        signature.check_form()
        signature.check_time(self._now(), skew_s)
        return key

    def _uploader(self, request: Request) -> Caller:
        """Return who signed the policy of a form."""
        form = post_policy.Form(request)
        claim = form.claim()
        key = self._key(claim.access_key, claim.token)
        require(claim.value, claim.expected(key))
        form.check(self._now())
        return Caller(claim.access_key, claim.region or self._region, "s3")

    def _key(self, access_key: str, token: str | None) -> Key:
        key = self._credentials.find(access_key)
        if key is None:
            raise DeniedError(answers.UNKNOWN_KEY, "the signature's key is not known here")
        if not hmac.compare_digest((token or "").encode(), (key.token or "").encode()):
            raise DeniedError(
                answers.WRONG_TOKEN,
                "the session token is not that of the key"
                if key.token
                else "a session token came with a key that has none",
            )
        if key.problem:
            # A session's can only be over, and a user's only be inactive, which AWS does not say.
            codes = answers.EXPIRED_KEY if key.token else answers.UNKNOWN_KEY
            raise DeniedError(codes, f"the signature's key {key.problem}")
        return key

    def _named(self, signature: Signature) -> Caller:
        if isinstance(signature, SigV4):
            return Caller(signature.access_key, signature.scope.region, signature.scope.service)
        return Caller(signature.access_key, self._region, "s3")


def require(received: str, expected: str) -> None:
    """Refuse a signature that is not the expected one.

    Raises:
        DeniedError: They differ.
    """
    if not hmac.compare_digest(received.encode(), expected.encode()):
        raise DeniedError(
            answers.WRONG,
            "the signature is not that of this request with the secret of its key",
        )


def _tell_moto(request: Request, signature: Signature) -> None:
    """Write who calls where moto looks for it, in a header, and in a form that it reads rightly."""
    if not isinstance(signature, SigV4):
        if "HTTP_AUTHORIZATION" in request.environ:
            # Four slashes in the base64 of a signature of version 2 are a scope to moto.
            value = signature.value.replace("/", "_")
            request.environ["HTTP_AUTHORIZATION"] = f"AWS {signature.access_key}:{value}"
    elif signature.expires_s is not None and not signature.is_for_s3:
        request.environ["HTTP_AUTHORIZATION"] = (
            f"{signatures.ALGORITHM} Credential={signature.access_key}/{signature.scope.text}, "
            f"SignedHeaders={';'.join(signature.signed)}, Signature={signature.value}"
        )
