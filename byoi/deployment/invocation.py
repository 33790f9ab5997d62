"""One invocation of an endpoint by its name, as `byoi invoke NAME` makes it.

Source: API InvokeEndpoint.
"""

from typing import Any

from botocore.exceptions import ClientError

from byoi import errors
from byoi.deployment.account import aws_errors, error_code
from byoi.deployment.waiting import log_group
from byoi.invocation import Answer


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
    wanted = {"Accept": accept} if accept else {}
    with aws_errors(f"endpoint {name} did not answer"):
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=name, ContentType=content_type, Body=body, **wanted
            )
            received = answer["Body"].read()
        except ClientError as error:
            if error_code(error) != "ModelError":
                raise
            raise errors.InvocationError(
                error.response.get("OriginalStatusCode"),
                f"{error.response.get('OriginalMessage')}; its log: {log_group(name)}",
            ) from error
    metadata = answer["ResponseMetadata"]
    headers = {"content-type": answer.get("ContentType", ""), **metadata.get("HTTPHeaders", {})}
    return Answer(metadata["HTTPStatusCode"], headers, received)
