"""The default bucket of a local session that has none: a name, and a refusal where it is used.

The SDK asks for the default bucket before it finds out that a script in local mode is not
uploaded (sagemaker 2.257, model.py `_upload_code`). So the session gives a name, and what would
really read or write there is refused: requests to S3, and parameters of SageMaker's API.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import boto3

from byoi import errors

NAME = "local-mode-has-no-bucket"


def refuse() -> NoReturn:
    """Refuse what needs the bucket.

    Raises:
        ConfigurationError: Always.
    """
    raise errors.ConfigurationError(
        "this call wants the account's default bucket, and local mode has no account; "
        "give the call a place on this machine: output_path='file:///absolute/path', or with an "
        "entry_point model_data='file:///absolute/path/model.tar.gz' "
        "(asynchronous inference has no local mode, nor has data capture)"
    )


def check(parameters: Any) -> None:
    """Check that no parameter of an API call leads to the bucket.

    Raises:
        ConfigurationError: One does.
    """
    if isinstance(parameters, Mapping):
        parameters = list(parameters.values())
    if isinstance(parameters, list):
        for one in parameters:
            check(one)
    elif isinstance(parameters, str) and parameters.startswith(f"s3://{NAME}"):
        refuse()


def watch(session: boto3.Session, *, has_credentials: bool) -> None:
    """Refuse requests to S3 that cannot succeed, before they are sent.

    Args:
        session: Its clients are watched, those that it makes later.
        has_credentials: Without, requests to any bucket are refused.
    """

    def look(params: dict[str, Any], **_: Any) -> None:
        bucket = params.get("Bucket")
        if bucket == NAME:
            refuse()
        if not has_credentials:
            raise errors.ConfigurationError(
                f"this session of local mode has no credentials, and the bucket {bucket!r} is in "
                "an account; give it a session of boto3's with some: "
                "hosting.LocalSession(boto3.Session(), default_bucket='NAME'), or name a file on "
                "this machine: file:///absolute/path"
            )

    session.events.register("provide-client-params.s3", look, unique_id="byoi-missing-bucket")
