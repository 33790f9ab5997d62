"""One invocation of a container at its own port, as the platform makes it.

No SDK and no credentials: what `byoi invoke URL` and the tests of a running stack use.
"""

import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from byoi import contract, errors, names, proxies

# DG your-algorithms-inference-code: a client of 60 s models waits 70 s.
TIMEOUT_S = contract.INVOCATION_TIMEOUT_S + 10


# What a container answered.
Answer = proxies.Answer


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
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme != "http" or not host:
        raise errors.HostingError(
            f"expected a URL such as http://localhost:{contract.PORT}, received {url!r}"
        )
    path = parts.path.rstrip("/").removesuffix(contract.INVOCATIONS_PATH)
    address = f"http://{parts.netloc}{path}{contract.INVOCATIONS_PATH}"
    try:
        return proxies.exchange("POST", address, body=body, headers=headers, timeout_s=timeout_s)
    except (OSError, http.client.HTTPException) as error:
        cause = str(error) or type(error).__name__
        raise errors.HostingError(
            f"no answer from {url}: {cause}; start one with `byoi serve --model-dir DIR`"
        ) from error


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
    headers = {"Content-Type": content_type, **({"Accept": accept} if accept else {})}
    answer = post(url, body, headers)
    if answer.status != http.client.OK:
        raise errors.InvocationError(answer.status, answer.body.decode("utf-8", "replace"))
    return answer


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
