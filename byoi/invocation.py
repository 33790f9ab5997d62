"""One invocation of a container at its own port, as the platform makes it.

No SDK and no credentials: what `byoi invoke URL` and the tests of a running stack use.
"""

import contextlib
import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from byoi import contract, errors, names, proxies

# DG your-algorithms-inference-code: a client of 60 s models waits 70 s.
TIMEOUT_S = contract.INVOCATION_TIMEOUT_S + 10
# Between two pieces of a stream, which may take its whole time to make the second.
STREAM_TIMEOUT_S = contract.STREAM_TIMEOUT_S + 10


# What a container answered.
Answer = proxies.Answer
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Stream:
    """An answer that is read while it is made.

    Attributes:
        content_type: The media type of all of it, "" where the answer names none.
        pieces: As they come, none of them empty. A HostingError ends them where the stream broke.
    """

    content_type: str
    pieces: Iterator[bytes]


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Send one POST /invocations and return whatever comes back.

    Args:
        url: Where the container listens, for example `http://localhost:8080`;
            with or without `/invocations` at its end.
        body: Request body.
        headers: Request headers.
        timeout_s: Seconds for each step of the exchange.

    Raises:
        HostingError: `url` is not an HTTP URL, or nothing answers there.
    """
    address = _address(url)
    try:
        return proxies.exchange("POST", address, body=body, headers=headers, timeout_s=timeout_s)
    except (OSError, http.client.HTTPException) as error:
        raise _silent(url, error) from error


def invoke(url: str, body: bytes, *, content_type: str, accept: str = "") -> Answer:
    """Invoke a running container.

    Args:
        url: As in `post`.
        body: Request body.
        content_type: Media type of `body`.
        accept: Wanted media type of the answer; empty leaves the choice to the container.

    Raises:
        HostingError: As in `post`.
        InvocationError: The container answered with an error status.
    """
    answer = post(url, body, _headers(content_type, accept))
    if answer.status != http.client.OK:
        raise errors.InvocationError(answer.status, answer.body.decode("utf-8", "replace"))
    return answer


@contextlib.contextmanager
def streamed(
    url: str,
    body: bytes,
    *,
    content_type: str,
    accept: str = "",
    timeout_s: float = STREAM_TIMEOUT_S,
) -> Iterator[Stream]:
    """Invoke a running container, and supply the pieces of its answer as they come.

    Args:
        url: As in `post`.
        body: Request body.
        content_type: Media type of `body`.
        accept: Wanted media type of the answer; empty leaves the choice to the container.
        timeout_s: Seconds without anything.

    Raises:
        HostingError: As in `post`.
        InvocationError: The container answered with an error status.
    """
    address, headers = _address(url), _headers(content_type, accept)
    with contextlib.ExitStack() as stack:
        try:
            response = stack.enter_context(
                proxies.opened("POST", address, body=body, headers=headers, timeout_s=timeout_s)
            )
            if response.status != http.client.OK:
                text = response.read().decode("utf-8", "replace")
                raise errors.InvocationError(response.status, text)
        except (OSError, http.client.HTTPException) as error:
            raise _silent(url, error) from error
        yield Stream(response.getheader("Content-Type") or "", _pieces(response))


def broken(received_bytes: int, cause: str) -> errors.HostingError:
    """Return the error of a stream that did not come to its end."""
    return errors.HostingError(
        f"the stream broke after {received_bytes:,} bytes, which are not the whole answer: "
        f"{cause}; the endpoint's log says why"
    )


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    received_bytes = 0
    try:
        while piece := response.read1(_PIECE_BYTES):
            received_bytes += len(piece)
            yield piece
    except (OSError, http.client.HTTPException) as error:
        cause = "nothing came for too long" if isinstance(error, TimeoutError) else "it ended early"
        raise broken(received_bytes, cause) from error
    # Of a body with a length, http.client does not say that it was cut short.
    if response.length:
        raise broken(received_bytes, f"{response.length:,} bytes did not come")


def _headers(content_type: str, accept: str) -> dict[str, str]:
    """Return the headers of an invocation.

    Raises:
        ConfigurationError: A value cannot be sent in a header.
    """
    headers = {"Content-Type": content_type, **({"Accept": accept} if accept else {})}
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise errors.ConfigurationError(
                f"{name} {value!r:.100}: expected a media type, such as text/csv"
            )
    return headers


def _address(url: str) -> str:
    """Return the URL of the invocations at a URL that a user named."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme != "http":
        raise errors.HostingError(
            f"expected a URL such as http://localhost:{contract.PORT}, received {url!r}"
        )
    path = parts.path.rstrip("/").removesuffix(contract.INVOCATIONS_PATH)
    return f"http://{parts.netloc}{path}{contract.INVOCATIONS_PATH}"


def _silent(url: str, error: Exception) -> errors.HostingError:
    cause = str(error) or type(error).__name__
    return errors.HostingError(
        f"no answer from {url}: {cause}; start one with `byoi serve --model-dir DIR`"
    )


def to_model_error(
    status: int, body: bytes, *, log_group: names.Arn | None = None
) -> dict[str, Any]:
    """Return the fields of the ModelError that AWS makes of a container's error.

    Args:
        status: The container's HTTP status, 400 to 599; 0 if it did not answer.
        body: The container's response body, or what happened instead; the caller gets its
            first characters.
        log_group: CloudWatch log group of the endpoint, if there is one.

    Source: API InvokeEndpoint, ModelError; the words are those that AWS sends.
    """
    text = body.decode("utf-8", "replace")[: contract.ERROR_MESSAGE_CHARACTERS]
    is_client_error = 400 <= status < http.client.INTERNAL_SERVER_ERROR
    blame = "client" if is_client_error else "server"
    fields: dict[str, Any] = {
        "Message": f'Received {blame} error ({status}) from primary with message "{text}".',
        "OriginalStatusCode": status,
        "OriginalMessage": text,
    }
    if log_group is not None:
        group = log_group.resource.removeprefix("log-group:")
        fields["Message"] += (
            f" See {group} in the logs of account {log_group.account} for more information."
        )
        fields["LogStreamArn"] = str(log_group)
    return fields
