"""The SDK's own session for the account that is deployed to."""

import sagemaker

from byoi_lib import deployment
from byoi_lib.hosting import offline


class AwsSession(sagemaker.Session):  # type: ignore[misc] # the SDK ships no types
    """A `sagemaker.Session` on the clients and the bucket of an account.

    What it does otherwise than one made by hand: an invocation is waited for 70 s and sent
    once; the default bucket is BYOI_BUCKET, so that nothing asks STS whose account it is
    (the SDK's own address of STS cannot be redirected); nothing is reported to the SDK's
    authors.

    Attributes:
        account: The account.
    """

    def __init__(self, account: deployment.Account) -> None:
        self.account = account
        super().__init__(
            boto_session=account.session,
            sagemaker_client=account.sagemaker,
            sagemaker_runtime_client=account.runtime,
            default_bucket=account.bucket(),
            sagemaker_config=offline.SDK_CONFIG,
        )
        # The SDK makes these two itself, without the account's address.
        self.s3_client = account.client("s3")
        self.s3_resource = account.session.resource("s3", endpoint_url=account.endpoint_url)


def aws_session(account: deployment.Account | None = None) -> AwsSession:
    """Return a session for AWS, or for the emulator that the environment leads to.

    Args:
        account: By default the one of the environment, see `deployment.connect`.

    Raises:
        ConfigurationError: There is no region, no credentials or no BYOI_BUCKET.
    """
    return AwsSession(deployment.connect() if account is None else account)
