"""The SDK's own session for the account that is deployed to."""

from typing import Any

import sagemaker

from byoi_lib import deployment
from byoi_lib.hosting import offline


def aws_session(account: deployment.Account | None = None) -> sagemaker.Session:
    """Return a `sagemaker.Session` on an account's clients and bucket.

    What it does otherwise than one made by hand: an invocation is waited for 70 s and sent
    once; the default bucket is BYOI_BUCKET, so that nothing asks STS whose account it is
    (the SDK's own address of STS cannot be redirected); nothing is reported to the SDK's
    authors.

    Args:
        account: By default the one of the environment, see `deployment.connect`.

    Raises:
        ConfigurationError: There is no region, no credentials or no BYOI_BUCKET.
    """
    if account is None:
        account = deployment.connect()
    bucket = account.bucket()
    session: Any = sagemaker.Session(
        boto_session=account.session,
        sagemaker_client=account.sagemaker,
        sagemaker_runtime_client=account.runtime,
        default_bucket=bucket,
        sagemaker_config=offline.SDK_CONFIG,
    )
    # The SDK makes these two itself, without the account's address.
    session.s3_client = account.client("s3")
    session.s3_resource = account.session.resource("s3", endpoint_url=account.endpoint_url)
    return session
