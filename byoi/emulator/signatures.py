"""The signature of a request: which form it has, when it is valid, and what it must be.

botocore's own signers compute what it must be, over exactly the headers that it names.

Sources: IAM User Guide, create-signed-request.html (SigV4, header and query); S3 API reference,
sigv4-auth-using-authorization-header.html and sigv4-query-string-auth.html; S3 User Guide,
RESTAuthentication.html (signature version 2, which botocore calls HmacV1).
"""

import calendar
import functools
import hmac
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import (
    HmacV1Auth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials
from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, environ_key_for_header
from werkzeug.wrappers import Request

from byoi.emulator import answers
from byoi.emulator.answers import DeniedError
from byoi.emulator.credentials import Key

ALGORITHM = "AWS4-HMAC-SHA256"
CONTENT_HEADER = "x-amz-content-sha256"
UNSIGNED = "UNSIGNED-PAYLOAD"
ACCEPTED = (
    "SigV4 in a header or in the query; for S3 also signature version 2 in either, and a form "
    "with a signed policy"
)
# Of a signature in a header; one in the query says by itself how long it is valid.
SKEW_S = 15 * 60
_LONGEST_S = 7 * 24 * 3600
_SCOPE = re.compile(r"([\w-]{1,128})/(\d{8})/([\w-]{1,64})/([\w-]{1,64})/aws4_request")
_TIME = "%Y%m%dT%H%M%SZ"
# What a request line may hold: a fragment, or a character that parsers drop, would go unsigned.
_TARGET = re.compile(r"/[!\"$-~]*")


@dataclass(frozen=True)
class Scope:
    """What a signature of version 4 is valid for.

    Attributes:
        access_key: Whose it is.
        date: Day, YYYYMMDD.
        region: Of the service.
        service: By its signing name.
    """

    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def read(cls, credential: str) -> "Scope":
        """Parse KEY/DATE/REGION/SERVICE/aws4_request."""
        match = _SCOPE.fullmatch(credential)
        if match is None:
            raise DeniedError(
                answers.UNSUPPORTED,
                "the signature's Credential has another form than "
                "KEY/DATE/REGION/SERVICE/aws4_request",
            )
        return cls(*match.groups())

    @property
    def text(self) -> str:
        """The scope as it is signed, without the key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@functools.lru_cache(maxsize=256)
def signing_key(secret: str, scope: Scope) -> bytes:
    """Return the key that signatures of one scope are made with."""
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class _Exactly:
    """A signer that takes the headers and the payload that a request says it signed."""

    def headers_to_sign(self, request: Any) -> Any:
        return request.headers

    def payload(self, request: Any) -> str:
        return str(request.context["payload"])

    def signature(self, string_to_sign: str, request: Any) -> str:
        # The same as botocore's, whose four steps to this key need not be taken each time.
        key: bytes = request.context["signing_key"]
        return hmac.digest(key, string_to_sign.encode(), "sha256").hex()


class _Header(_Exactly, SigV4Auth):  # type: ignore[misc] # botocore has no types
    pass


class _S3Header(_Exactly, S3SigV4Auth):  # type: ignore[misc]
    pass


class _Query(_Exactly, SigV4QueryAuth):  # type: ignore[misc]
    pass


class _S3Query(_Exactly, S3SigV4QueryAuth):  # type: ignore[misc]
    pass


@dataclass(frozen=True)
class SigV4:
    """A signature of version 4.

    Attributes:
        request: What is signed.
        scope: What the signature is valid for.
        signed: Names of the signed headers, in lower case.
        value: The signature.
        timestamp: When it was made, in AWS's form of ISO 8601.
        expires_s: How long it is valid; None for a signature in a header.
        token: The session token that came along.
    """

    request: Request
    scope: Scope
    signed: tuple[str, ...]
    value: str
    timestamp: str
    expires_s: int | None
    token: str | None

    _signers: ClassVar[dict[tuple[bool, bool], Any]] = {
        (False, False): _Header,
        (False, True): _S3Header,
        (True, False): _Query,
        (True, True): _S3Query,
    }

    @property
    def access_key(self) -> str:
        """Whose it is."""
        return self.scope.access_key

    @property
    def is_for_s3(self) -> bool:
        """Whether it is for S3, where path and payload are signed in another way."""
        return self.scope.service == "s3"

    @property
    def content(self) -> str | None:
        """What it says of the body: a digest or a name; None where the body itself is signed."""
        stated = self.request.headers.get(CONTENT_HEADER)
        if stated is not None or not self.is_for_s3:
            return stated
        if self.expires_s is None:
            raise DeniedError(answers.UNSUPPORTED, f"S3 needs the header {CONTENT_HEADER}")
        return UNSIGNED

    def check_form(self) -> None:
        """Refuse one that leaves out what has to be signed."""
        if "host" not in self.signed:
            raise DeniedError(answers.UNSUPPORTED, "the Host header is not signed")
        for name in _names(self.request):
            if name.startswith("x-amz-") and name not in self.signed:
                raise DeniedError(answers.UNSUPPORTED, f"the header {name} is not signed")

    def check_time(self, now_s: float, skew_s: float = SKEW_S) -> None:
        """Refuse one that is not valid now.

        Args:
            now_s: Seconds since 1970.
            skew_s: How far the clocks of client and service may be apart.
        """
        made_s = seconds(self.timestamp)
        if self.timestamp[:8] != self.scope.date:
            raise DeniedError(answers.WRONG_TIME, "the signature's date is not that of its scope")
        if self.expires_s is None:
            _check_skew(made_s, now_s, skew_s)
            return
        if not 0 < self.expires_s <= _LONGEST_S:
            raise DeniedError(
                answers.UNSUPPORTED, f"X-Amz-Expires is not between 1 and {_LONGEST_S} seconds"
            )
        if made_s > now_s + skew_s:
            raise DeniedError(answers.WRONG_TIME, "the signature is of the future")
        _check_expiry(made_s + self.expires_s, now_s)

    def expected(self, key: Key, payload: str) -> str:
        """Return what the signature must be.

        Args:
            key: Whose id it names.
            payload: The body's SHA-256 in hexadecimal digits, or what stands for it.
        """
        path, _, query = _target(self.request).partition("?")
        if self.expires_s is not None:
            # The only parameter that is not signed.
            pairs = [one for one in query.split("&") if not one.startswith("X-Amz-Signature=")]
            query = "&".join(pairs)
        request = AWSRequest(
            method=self.request.method,
            url=f"http://{self.request.headers['Host']}{path}?{query}",
            headers=_headers(self.request, self.signed),
        )
        request.context["timestamp"] = self.timestamp
        request.context["payload"] = payload
        request.context["signing_key"] = signing_key(key.secret, self.scope)
        signer = self._signers[self.expires_s is not None, self.is_for_s3](
            Credentials(key.access_key, key.secret), self.scope.service, self.scope.region
        )
        canonical = signer.canonical_request(request)
        return str(signer.signature(signer.string_to_sign(request, canonical), request))


class _DatedHeader(HmacV1Auth):  # type: ignore[misc]
    date = ""

    def _get_date(self) -> str:
        return self.date


class _DatedQuery(HmacV1QueryAuth):  # type: ignore[misc]
    date = ""

    def _get_date(self) -> str:
        return self.date


@dataclass(frozen=True)
class SigV2:
    """A signature of S3's version 2, which leaves the body unsigned.

    Attributes:
        request: What is signed.
        access_key: Whose it is.
        value: The signature.
        date: Of a header: the Date header's value; of a query: the second it expires at.
        is_query: Whether it stands in the query.
        token: The session token that came along.
    """

    request: Request
    access_key: str
    value: str
    date: str
    is_query: bool
    token: str | None
    content: str = field(default=UNSIGNED, init=False)
    is_for_s3: bool = field(default=True, init=False)

    def check_form(self) -> None:
        """Do nothing: all headers of Amazon's are signed."""

    def check_time(self, now_s: float, skew_s: float = SKEW_S) -> None:
        """Refuse one that is not valid now; see SigV4."""
        if self.is_query:
            if not re.fullmatch(r"\d{1,12}", self.date):
                raise DeniedError(answers.UNSUPPORTED, "Expires is not a number of seconds")
            _check_expiry(int(self.date), now_s)
            return
        stated = self.request.headers.get("x-amz-date") or self.date
        try:
            made_s = parsedate_to_datetime(stated).timestamp()
        except ValueError as error:
            raise DeniedError(answers.WRONG_TIME, "there is no readable Date") from error
        _check_skew(made_s, now_s, skew_s)

    def expected(self, key: Key, payload: str) -> str:  # noqa: ARG002 - see SigV4
        """Return what the signature must be."""
        headers = HTTPHeaders()
        names = _names(self.request)
        interesting = {"content-md5", "content-type"}
        for name in names:
            if name in interesting or name.startswith("x-amz-"):
                headers[name] = _text(self.request.headers[name])
        if self.is_query:
            # They are signed as headers, and may be sent in the query instead.
            for name, value in _pairs(self.request):
                low = name.lower()
                if low not in names and (low in interesting or low.startswith("x-amz-")):
                    headers[low] = value
        kind = _DatedQuery if self.is_query else _DatedHeader
        signer = kind(Credentials(key.access_key, key.secret))
        # Where Amazon's own header has the date, the other one's place is empty.
        signer.date = "" if "x-amz-date" in names and not self.is_query else self.date
        url = urlsplit(f"http://{self.request.headers['Host']}{_target(self.request)}")
        return str(signer.get_signature(self.request.method, url, headers))


Signature = SigV4 | SigV2


def read(request: Request) -> Signature | None:
    """Return a request's signature, None where neither header nor query has one.

    Raises:
        DeniedError: It has a form that cannot be checked, or more than one.
    """
    _target(request)
    header = request.headers.get("Authorization")
    query = dict(_pairs(request))
    in_query = [
        name for name in ("X-Amz-Algorithm", "X-Amz-Signature", "AWSAccessKeyId") if name in query
    ]
    if header is not None and in_query:
        raise DeniedError(answers.UNSUPPORTED, "header and query both hold a signature")
    if header is not None:
        return _of_header(request, header)
    if in_query:
        return _of_query(request, query)
    if "X-Amzn-Authorization" in request.headers:
        raise _unsupported("signature version 3")
    return None


def _of_header(request: Request, header: str) -> Signature:
    scheme, _, rest = header.partition(" ")
    token = request.headers.get("x-amz-security-token")
    if scheme == ALGORITHM:
        parts = {}
        for one in rest.split(","):
            name, _, value = one.strip().partition("=")
            parts[name] = value
        if parts.keys() != {"Credential", "SignedHeaders", "Signature"}:
            raise DeniedError(
                answers.UNSUPPORTED,
                "the Authorization header lacks one of Credential, SignedHeaders and Signature",
            )
        scope = Scope.read(parts["Credential"])
        signed = tuple(parts["SignedHeaders"].lower().split(";"))
        timestamp = request.headers.get("x-amz-date")
        if timestamp is None and "date" in signed:
            timestamp = _of_date(request.headers.get("Date", ""))
        return SigV4(request, scope, signed, parts["Signature"], timestamp or "", None, token)
    access_key, colon, value = rest.partition(":")
    if scheme == "AWS" and colon:
        return SigV2(
            request, access_key, value, request.headers.get("Date", ""), is_query=False, token=token
        )
    named = scheme if re.fullmatch(r"[\w-]{1,40}", scheme) else "no name that can be shown"
    if scheme.startswith("AWS4-ECDSA"):
        named = f"{named} (SigV4a)"
    raise _unsupported(f"an Authorization header of the scheme {named}")


def _of_query(request: Request, query: dict[str, str]) -> Signature:
    if query.get("SignatureVersion"):
        raise _unsupported("signature version 2 of the query protocol")
    if "AWSAccessKeyId" in query:
        return SigV2(
            request,
            query["AWSAccessKeyId"],
            query.get("Signature", ""),
            query.get("Expires", ""),
            is_query=True,
            token=query.get("x-amz-security-token"),
        )
    algorithm = query.get("X-Amz-Algorithm", "")
    if algorithm != ALGORITHM:
        named = algorithm if re.fullmatch(r"[\w-]{1,40}", algorithm) else "no readable one"
        raise _unsupported(f"a query with the algorithm {named}")
    expires = query.get("X-Amz-Expires", "")
    return SigV4(
        request,
        Scope.read(query.get("X-Amz-Credential", "")),
        tuple(query.get("X-Amz-SignedHeaders", "").lower().split(";")),
        query.get("X-Amz-Signature", ""),
        query.get("X-Amz-Date", ""),
        int(expires) if re.fullmatch(r"\d{1,9}", expires) else 0,
        query.get("X-Amz-Security-Token"),
    )


def _unsupported(what: str) -> DeniedError:
    return DeniedError(
        answers.UNSUPPORTED, f"received {what}, which cannot be checked here; accepted: {ACCEPTED}"
    )


def _target(request: Request) -> str:
    """Return path and query as they stand in the request line."""
    target = str(request.environ["REQUEST_URI"])
    if not _TARGET.fullmatch(target):
        raise DeniedError(
            answers.UNSUPPORTED, "the request line holds no path, or characters without an escape"
        )
    return target


def _pairs(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(_target(request).partition("?")[2], keep_blank_values=True)


def _names(request: Request) -> set[str]:
    """Return the names of a request's headers in lower case.

    An environment has no underscores in them, which are legal in the names of S3's metadata;
    moto's handler of requests keeps the name as it came.
    """
    kept = request.environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY) or {}
    return {
        kept.get(environ_key_for_header(name), name).lower() for name, _ in request.headers.items()
    }


def _headers(request: Request, names: Iterable[str]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name in names:
        value = request.headers.get(name)
        if value is None:
            raise DeniedError(
                answers.WRONG, f"a header is signed that did not come: {name[:100]!r}"
            )
        headers[name] = _text(value)
    return headers


def _text(value: str) -> str:
    """Return a header's value as it was signed; it was read as Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _of_date(date: str) -> str:
    try:
        return time.strftime(_TIME, parsedate_to_datetime(date).utctimetuple())
    except ValueError:
        return ""


def seconds(timestamp: str) -> float:
    """Return a signature's time as seconds since 1970.

    Raises:
        DeniedError: It has another form than YYYYMMDDThhmmssZ.
    """
    try:
        return calendar.timegm(time.strptime(timestamp, _TIME))
    except ValueError as error:
        raise DeniedError(
            answers.WRONG_TIME, "there is no date of the form YYYYMMDDThhmmssZ"
        ) from error


def _check_skew(made_s: float, now_s: float, skew_s: float) -> None:
    if abs(made_s - now_s) > skew_s:
        raise DeniedError(
            answers.WRONG_TIME,
            f"the request was signed {abs(made_s - now_s):.0f} s before or after this machine's "
            f"time, expected at most {skew_s} s",
        )


def _check_expiry(end_s: float, now_s: float) -> None:
    if end_s < now_s:
        raise DeniedError(
            answers.EXPIRED_URL, f"Request has expired: its signature, {now_s - end_s:.0f} s ago"
        )
