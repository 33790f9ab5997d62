"""Read the body of a signed request, and compare it with what the signature says.

Sources: S3 API reference, sigv4-streaming.html, sigv4-streaming-trailers.html (chunks, each
with a signature over the one before) and RESTCommonRequestHeaders.html (x-amz-content-sha256).
"""

import base64
import hashlib
import hmac
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request

from byoi import contract
from byoi.emulator import answers, signatures
from byoi.emulator.answers import DeniedError
from byoi.emulator.credentials import Key
from byoi.emulator.signatures import SigV4

UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_AND_TRAILER = f"{SIGNED_CHUNKS}-TRAILER"
_CHUNKED = frozenset({UNSIGNED_CHUNKS, SIGNED_CHUNKS, SIGNED_CHUNKS_AND_TRAILER})
_DIGEST = re.compile("[0-9a-f]{64}")
_EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()
_TRAILER_SIGNATURE = "x-amz-trailer-signature"
# Those that Python computes; CRC32C and CRC64NVME pass as they are.
_CHECKSUMS: dict[str, Callable[[bytes], bytes]] = {
    "x-amz-checksum-crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
}


def is_known(signature: signatures.Signature) -> bool:
    """Whether what a signature says of its body can be checked."""
    content = signature.content
    if content is None or _DIGEST.fullmatch(content):
        return True
    # Only S3 takes a body that is not signed as a whole.
    return signature.is_for_s3 and (content == signatures.UNSIGNED or content in _CHUNKED)


def read(request: Request, limit: int | None) -> bytes:
    """Return a request's body, which moto can still read.

    Args:
        request: The request; nothing of its body has been read.
        limit: Bytes; None for no limit.

    Raises:
        DeniedError: The body is longer.
    """
    # A body in chunks does not say its length; werkzeug cuts it there without a word.
    request.max_content_length = None if limit is None else limit + 1
    try:
        body = request.get_data()
        is_too_large = limit is not None and len(body) > limit
    except RequestEntityTooLarge:
        is_too_large = True
    if is_too_large:
        message = f"HTTP content length exceeded {limit} bytes."
        raise DeniedError(answers.TOO_LARGE, message, status=413)
    put_back(request, body)
    return body


def put_back(request: Request, body: bytes) -> None:
    """Let a body be read once more, by this request or by another of its environment."""
    environ = request.environ
    environ["wsgi.input"] = io.BytesIO(body)
    # It has its length now, however it came.
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
        environ.pop("wsgi.input_terminated", None)
        environ["CONTENT_LENGTH"] = str(len(body))


def check(signature: SigV4, key: Key) -> None:
    """Compare the body of a request, whose signature is valid, with what it says of it.

    Raises:
        DeniedError: It is another body, or a chunk of it has another signature.
    """
    content = signature.content
    if content is None or content == signatures.UNSIGNED:
        return
    body = read(signature.request, None if signature.is_for_s3 else contract.REQUEST_BODY_BYTES)
    if content not in _CHUNKED:
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), content):
            raise DeniedError(answers.WRONG_BODY, "the body has another SHA-256 than was signed")
        return
    chunks = _Chunks.read(body)
    stated = signature.request.headers.get("x-amz-decoded-content-length")
    if stated != str(sum(len(data) for data, _ in chunks.parts)):
        raise DeniedError(
            answers.WRONG_BODY, "x-amz-decoded-content-length is not the length of the chunks"
        )
    if content != UNSIGNED_CHUNKS:
        chunks.check(signature, key, has_trailer=content == SIGNED_CHUNKS_AND_TRAILER)
    chunks.check_sums()


@dataclass(frozen=True)
class _Chunks:
    """A body of the content encoding `aws-chunked`.

    Attributes:
        parts: Data of each chunk, the last one's empty, and its signature, "" without one.
        trailer: Headers behind the last chunk, by their names in lower case.
    """

    parts: list[tuple[bytes, str]]
    trailer: dict[str, str]

    @classmethod
    def read(cls, body: bytes) -> "_Chunks":
        """Parse a body; DeniedError where it has another form."""
        stream = io.BytesIO(body)
        parts: list[tuple[bytes, str]] = []
        while not parts or parts[-1][0]:
            match = re.fullmatch(
                rb"([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?\r\n", stream.readline()
            )
            if match is None:
                raise _broken()
            size = int(match[1], 16)
            data = stream.read(size)
            if len(data) != size or (size and stream.read(2) != b"\r\n"):
                raise _broken()
            parts.append((data, (match[2] or b"").decode()))
        trailer = {}
        for line in stream.read().decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                trailer[name.strip().lower()] = value.strip()
            elif line:
                raise _broken()
        return cls(parts, trailer)

    def check(self, signature: SigV4, key: Key, *, has_trailer: bool) -> None:
        """Compare the signature of each chunk, and the trailer's."""
        secret = signatures.signing_key(key.secret, signature.scope)
        previous = signature.value

        def require(kind: str, *digests: str, received: str) -> None:
            nonlocal previous
            lines = (kind, signature.timestamp, signature.scope.text, previous, *digests)
            previous = hmac.digest(secret, "\n".join(lines).encode(), "sha256").hex()
            if not hmac.compare_digest(previous, received):
                raise DeniedError(answers.WRONG, "a chunk of the body has another signature")

        for data, received in self.parts:
            digest = hashlib.sha256(data).hexdigest()
            require(f"{signatures.ALGORITHM}-PAYLOAD", _EMPTY_DIGEST, digest, received=received)
        if has_trailer:
            signed = {name: one for name, one in self.trailer.items() if name != _TRAILER_SIGNATURE}
            text = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
            received = self.trailer.get(_TRAILER_SIGNATURE, "")
            digest = hashlib.sha256(text.encode()).hexdigest()
            require("AWS4-HMAC-SHA256-TRAILER", digest, received=received)

    def check_sums(self) -> None:
        """Compare the checksums behind the last chunk."""
        for name, stated in self.trailer.items():
            if name in _CHECKSUMS:
                found = _CHECKSUMS[name](b"".join(data for data, _ in self.parts))
                if base64.b64encode(found).decode() != stated:
                    raise DeniedError(answers.WRONG_BODY, f"the body has another {name}")


def _broken() -> DeniedError:
    return DeniedError(answers.WRONG_BODY, "the body is not in the form of aws-chunked")
