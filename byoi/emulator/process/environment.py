"""The variables that lead boto3 and the SageMaker SDK to the emulator, and only there.

Sources: botocore 1.44, configprovider.py (AWS_ENDPOINT_URL, service-specific ones win over it);
sagemaker 2.257, config (SAGEMAKER_USER_CONFIG_OVERRIDE, TelemetryOptOut, DefaultS3Bucket).
"""

import json
from collections.abc import Mapping
from pathlib import Path

# moto takes any; these cannot be mistaken for real ones.
_CREDENTIAL = "emulator"
_LOCAL = "127.0.0.1,localhost"


def variables(  # noqa: PLR0913 - keywords, one caller
    *, url: str, region: str, role_arn: str, bucket: str, folder: Path, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """Return every variable to set, or with None to unset.

    Args:
        url: The emulator's address.
        region: Default region.
        role_arn: Of a role that exists in the emulated IAM.
        bucket: A bucket that exists in the emulated S3.
        folder: Receives the SDK's configuration file.
        environ: The environment now: what could lead elsewhere is unset.
    """
    config = folder / "sagemaker-config.yaml"
    modules = {"TelemetryOptOut": True, "Session": {"DefaultS3Bucket": bucket}}
    content = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": modules}}}
    # JSON is YAML.
    config.write_text(json.dumps(content), encoding="utf-8")
    unset = {
        name: None
        for name in environ
        if name.startswith(("AWS_ENDPOINT_URL_", "AWS_CONTAINER_CREDENTIALS_"))
    }
    no_proxy = environ.get("NO_PROXY") or environ.get("no_proxy")
    without_proxy = f"{no_proxy},{_LOCAL}" if no_proxy else _LOCAL
    return {
        **unset,
        "AWS_ENDPOINT_URL": url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": None,
        "AWS_ACCESS_KEY_ID": _CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": _CREDENTIAL,
        "AWS_SESSION_TOKEN": None,
        "AWS_PROFILE": None,
        "AWS_DEFAULT_PROFILE": None,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": str(folder / "no-aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_USE_FIPS_ENDPOINT": None,
        "AWS_USE_DUALSTACK_ENDPOINT": None,
        "AWS_ROLE_ARN": None,
        "AWS_WEB_IDENTITY_TOKEN_FILE": None,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        "BYOI_ROLE_ARN": role_arn,
        "BYOI_BUCKET": bucket,
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
    }
