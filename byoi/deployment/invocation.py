"""One invocation of an endpoint by its name, as `byoi invoke NAME` makes it.

Sources: API InvokeEndpoint; InvokeEndpointWithResponseStream (ModelStreamError,
InternalStreamFailure).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from byoi import errors, invocation
from byoi.deployment.account import aws_errors, error_code
from byoi.deployment.waiting import log_group
from byoi.invocation import Answer, Stream


def invoke(runtime: Any, name: str, body: bytes, *, content_type: str, accept: str = "") -> Answer:
    """Invoke an endpoint.

    Args:
        runtime: boto3's client sagemaker-runtime, as `Account.runtime`.
        name: The endpoint's name.
        body: Request body.
        content_type: Media type of `body`.
        accept: Wanted media type of the answer; empty leaves the choice to the container.

    Raises:
        InvocationError: The container answered with an error status.
        HostingError: No endpoint of this name is in service, or AWS refused the call.
    """
    with aws_errors(f"endpoint {name} did not answer"), _model_errors(name):
        answer = runtime.invoke_endpoint(**_request(name, body, content_type, accept))
        received = answer["Body"].read()
    metadata = answer["ResponseMetadata"]
    headers = {"content-type": answer.get("ContentType", ""), **metadata.get("HTTPHeaders", {})}
    return Answer(metadata["HTTPStatusCode"], headers, received)


@contextlib.contextmanager
def streamed(
    runtime: Any, name: str, body: bytes, *, content_type: str, accept: str = ""
) -> Iterator[Stream]:
    """Invoke an endpoint, and supply the pieces of its answer as they come.

    Arguments and errors as in `invoke`.
    """
    with aws_errors(f"endpoint {name} did not answer"), _model_errors(name):
        answer = runtime.invoke_endpoint_with_response_stream(
            **_request(name, body, content_type, accept)
        )
    with contextlib.closing(answer["Body"]) as events:
        yield Stream(answer.get("ContentType", ""), _pieces(events, name))


def _request(name: str, body: bytes, content_type: str, accept: str) -> dict[str, Any]:
    wanted = {"Accept": accept} if accept else {}
    return {"EndpointName": name, "ContentType": content_type, "Body": body, **wanted}


@contextlib.contextmanager
def _model_errors(name: str) -> Iterator[None]:
    """Turn the error of a container into ours."""
    try:
        yield
    except ClientError as error:
        if error_code(error) != "ModelError":
            raise
        raise errors.InvocationError(
            error.response.get("OriginalStatusCode"),
            f"{error.response.get('OriginalMessage')}; its log: {log_group(name)}",
        ) from error


def _pieces(events: Any, name: str) -> Iterator[bytes]:
    received_bytes = 0
    try:
        for event in events:
            if piece := event.get("PayloadPart", {}).get("Bytes"):
                received_bytes += len(piece)
                yield piece
    # EventStreamError, which is a ClientError; or the connection to AWS, also as urllib3 sees it.
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise invocation.broken(received_bytes, f"{error}; its log: {log_group(name)}") from error
