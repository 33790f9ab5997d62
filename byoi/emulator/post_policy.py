"""A form that uploads a file to S3: its policy, and whether the form is what the policy allows.

Sources: S3 API reference, sigv4-HTTPPOSTForms.html, sigv4-HTTPPOSTConstructPolicy.html and
sigv4-post-example.html; S3 User Guide, HTTPPOSTForms.html (signature version 2).
"""

import base64
import calendar
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.auth import HmacV1PostAuth, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData
from werkzeug.wrappers import Request
from werkzeug.wsgi import get_input_stream

from byoi.emulator import answers, payloads, signatures
from byoi.emulator.answers import DeniedError
from byoi.emulator.credentials import Key
from byoi.emulator.signatures import Scope

# Of all fields in front of the file; S3 itself takes 20 KB.
_FIELDS_BYTES = 64 * 1024
_PIECE_BYTES = 8 * 1024
# Fields that no condition has to name.
_FREE = frozenset({"policy", "signature", "x-amz-signature", "awsaccesskeyid", "file"})
_UPLOAD_PATH = re.compile(r"/[^/?]+/?")


def is_upload(request: Request) -> bool:
    """Whether a request without a signature is a form that S3 may take."""
    return (
        request.method == "POST"
        and request.mimetype == "multipart/form-data"
        and _UPLOAD_PATH.fullmatch(str(request.environ["REQUEST_URI"])) is not None
    )


@dataclass(frozen=True)
class Claim:
    """The signature of a form's policy.

    Attributes:
        policy: In base 64, as it is signed.
        access_key: Whose signature it is.
        value: The signature.
        scope: What it is valid for; None for one of version 2.
        token: The session token that came along.
    """

    policy: str
    access_key: str
    value: str
    scope: Scope | None
    token: str | None

    @property
    def region(self) -> str:
        """Region that the signature names, "" where it names none."""
        return self.scope.region if self.scope else ""

    def expected(self, key: Key) -> str:
        """Return what the signature must be."""
        credentials = Credentials(key.access_key, key.secret)
        if self.scope is None:
            return str(HmacV1PostAuth(credentials).sign_string(self.policy))
        request = AWSRequest()
        request.context["timestamp"] = self.scope.date
        signer = S3SigV4PostAuth(credentials, self.scope.service, self.scope.region)
        return str(signer.signature(self.policy, request))


class Form:
    """A form, whose file is not read before `check`.

    Attributes:
        fields: Name, in lower case, to value of each field in front of the file.

    Raises:
        DeniedError: It is not a form with fields and a file behind them.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        # The limit is kept here: a decoder's would hold for the file too.
        boundary = request.mimetype_params.get("boundary", "")
        self._decoder = MultipartDecoder(boundary.encode("latin-1", "replace"))
        self._stream = get_input_stream(request.environ)
        self._body = bytearray()
        self._file_name = ""
        self.fields = self._read_fields()

    def claim(self) -> Claim:
        """Return the signature of the form's policy.

        Raises:
            DeniedError: It has none, or one that cannot be checked.
        """
        fields = self.fields
        token = fields.get("x-amz-security-token")
        policy = fields.get("policy", "")
        if "awsaccesskeyid" in fields and policy:
            return Claim(policy, fields["awsaccesskeyid"], fields.get("signature", ""), None, token)
        algorithm = fields.get("x-amz-algorithm")
        if algorithm is None or not policy:
            raise DeniedError(answers.MISSING, "received a form without a signed policy")
        if algorithm != signatures.ALGORITHM:
            raise DeniedError(
                answers.UNSUPPORTED,
                f"received a form signed by {algorithm[:40]!r}, expected {signatures.ALGORITHM}",
            )
        scope = Scope.read(fields.get("x-amz-credential", ""))
        value = fields.get("x-amz-signature", "")
        return Claim(policy, scope.access_key, value, scope, token)

    def check(self, now_s: float) -> None:
        """Read the file, and compare the form with its policy, whose signature is valid.

        Args:
            now_s: Seconds since 1970.

        Raises:
            DeniedError: The policy has expired, does not allow the form, or has a condition that
                cannot be checked.
        """
        try:
            policy = json.loads(base64.b64decode(self.fields["policy"]))
            expiration = re.sub(r"\.\d+Z$", "Z", policy["expiration"])
            end_s = calendar.timegm(time.strptime(expiration, "%Y-%m-%dT%H:%M:%SZ"))
            conditions = [_condition(one) for one in policy["conditions"]]
        except (KeyError, TypeError, ValueError) as error:
            raise DeniedError(answers.WRONG, "the form's policy cannot be read") from error
        if end_s < now_s:
            raise DeniedError(answers.EXPIRED_URL, "Policy expired: the form's")
        values = {**self.fields, "bucket": self._request.path.strip("/")}
        values["key"] = values.get("key", "").replace("${filename}", self._file_name)
        named = {name for kind, name, _ in conditions if kind != "content-length-range"}
        for name in self.fields:
            if name not in named | _FREE and not name.startswith("x-ignore-"):
                raise _against(f"the field {name[:100]!r} is in no condition")
        for kind, name, value in conditions:
            if kind != "content-length-range" and not _is_met(kind, values.get(name, ""), value):
                raise _against(f"the field {name[:100]!r} is not what a condition says")
        size = self._read_file()
        for kind, _, value in conditions:
            if kind == "content-length-range" and not value[0] <= size <= value[1]:
                raise _against(f"the file has {size} bytes, the policy's range is {value}")
        payloads.put_back(self._request, bytes(self._body))

    def _read_fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        name, value = "", b""
        while True:
            event = self._next(_FIELDS_BYTES)
            if isinstance(event, Field | File) and event.name == "file":
                self._file_name = (getattr(event, "filename", None) or "").rpartition("/")[2]
                return fields
            if isinstance(event, Field):
                name, value = event.name.lower(), b""
                if name in fields:
                    raise _against(f"the field {name[:100]!r} comes twice")
            elif isinstance(event, Data):
                value += event.data
                if not event.more_data:
                    fields[name] = value.decode("utf-8", "replace")
            elif isinstance(event, File | Epilogue):
                raise _against("it has no field `file`")

    def _read_file(self) -> int:
        """Read on to the end and return the file's size."""
        size = 0
        while not isinstance(event := self._next(None), Epilogue):
            if not isinstance(event, Data):
                raise _against("fields behind the file, which S3 ignores, are not taken")
            size += len(event.data)
        return size

    def _next(self, limit: int | None) -> Event:
        """Return the next event; DeniedError where `limit` bytes were not enough for it."""
        try:
            while isinstance(event := self._decoder.next_event(), NeedData):
                if limit is not None and len(self._body) >= limit:
                    raise _against(f"its fields take more than {limit} bytes")
                piece = self._stream.read(_PIECE_BYTES)
                self._body += piece
                self._decoder.receive_data(piece or None)
        except (ValueError, RequestEntityTooLarge) as error:
            raise _against("it cannot be read") from error
        return event


def _condition(stated: Any) -> tuple[str, str, Any]:
    """Return a condition as kind, field and value.

    Raises:
        DeniedError: It is of a kind that cannot be checked.
    """
    if isinstance(stated, Mapping):
        ((name, value),) = stated.items()
        return "eq", str(name).lower(), str(value)
    kind, first, second = stated
    if str(kind).lower() == "content-length-range":
        return "content-length-range", "", (int(first), int(second))
    if str(kind).lower() in {"eq", "starts-with"} and str(first).startswith("$"):
        return str(kind).lower(), str(first)[1:].lower(), str(second)
    raise DeniedError(
        answers.UNSUPPORTED,
        f"the form's policy has the condition {str(kind)[:40]!r}, which cannot be checked here; "
        "accepted: eq, starts-with, content-length-range",
    )


def _is_met(kind: str, value: str, expected: str) -> bool:
    return value == expected if kind == "eq" else value.startswith(expected)


def _against(what: str) -> DeniedError:
    return DeniedError(answers.MISSING, f"the form is not what a signed policy allows: {what}")
