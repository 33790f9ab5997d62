"""One invocation of an endpoint by its name, as `byoi invoke` makes it."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from byoi_lib import errors
from byoi_lib.deployment.account import aws_errors, code
from byoi_lib.deployment.container_log import group
from byoi_lib.serializers import PredictionDeserializer, ReviewSerializer


def invoke(runtime: Any, name: str, texts: Sequence[str]) -> list[list[float]]:
    """Classify texts at an endpoint.

    Args:
        runtime: boto3's client sagemaker-runtime, as `Account.runtime`.
        name: The endpoint's name.
        texts: n reviews, n >= 1.

    Returns:
        n pairs `[p_negative, p_positive]`.

    Raises:
        InvocationError: The container answered with an error status.
        HostingError: There is no such endpoint in service, or AWS refused the call.
    """
    serializer, deserializer = ReviewSerializer(), PredictionDeserializer()
    with aws_errors(f"endpoint {name} gave no answer"):
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=name,
                ContentType=serializer.CONTENT_TYPE,
                Accept=deserializer.ACCEPT[0],
                Body=serializer.serialize(list(texts)),
            )
            body = answer["Body"].read()
        except ClientError as error:
            if code(error) != "ModelError":
                raise
            raise errors.InvocationError(
                error.response.get("OriginalStatusCode"),
                f"{error.response.get('OriginalMessage')}; its log: {group(name)}",
            ) from error
    pairs: list[list[float]] = deserializer.parse(body).tolist()
    return pairs
