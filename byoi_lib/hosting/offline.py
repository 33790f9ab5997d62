"""What the SDK needs to work without network, account or credentials."""

from typing import Any

import boto3
import botocore.session
from botocore.credentials import CredentialResolver

# Any region will do where nothing is sent to it.
REGION = "us-east-1"
# No region of AWS: what the SDK would report to its authors it does not send from a region
# it does not know. Saying so by SDK_CONFIG instead costs 3 s a deploy, because the SDK
# checks a configuration against its whole schema each time it reads a value (24 times).
LOCAL_REGION = "local"
# The SDK reports calls to a bucket of its authors unless told not to.
SDK_CONFIG: dict[str, Any] = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}


def boto_session(region: str = REGION) -> boto3.Session:
    """Return a session that has a region and no credentials, wherever they might lie.

    Nothing asks the environment, the files in ~/.aws or the instance metadata address,
    so nothing waits for them, and the SDK has none to copy into a container.
    """
    session = botocore.session.Session()
    session.register_component("credential_provider", CredentialResolver([]))
    return boto3.Session(botocore_session=session, region_name=region)
