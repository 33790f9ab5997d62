"""The variables that point boto3 and the SageMaker SDK at the emulator, and nowhere else.

Sources: botocore 1.44, configprovider.py (AWS_ENDPOINT_URL, service-specific ones win over it);
sagemaker 2.257, config (SAGEMAKER_USER_CONFIG_OVERRIDE, TelemetryOptOut, DefaultS3Bucket).
"""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from byoi.emulator.credentials import Key

_FILE = "variables.sh"
# Beginnings of names: other endpoints, other credentials.
_ELSEWHERE = ("AWS_ENDPOINT_URL_", "AWS_CONTAINER_", "AWS_BEARER_TOKEN_")
_LOCAL = "127.0.0.1,localhost"


def variables(  # noqa: PLR0913 - keywords, one caller
    *,
    url: str,
    key: Key,
    region: str,
    role_arn: str,
    bucket: str,
    folder: Path,
    environ: Mapping[str, str],
) -> dict[str, str | None]:
    """Return the variables to set; None means unset.

    Args:
        url: The emulator's address.
        key: What requests are signed with.
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
    unset = {name: None for name in environ if name.startswith(_ELSEWHERE)}
    no_proxy = environ.get("NO_PROXY") or environ.get("no_proxy")
    without_proxy = f"{no_proxy},{_LOCAL}" if no_proxy else _LOCAL
    return {
        **unset,
        "AWS_ENDPOINT_URL": url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": None,
        "AWS_ACCESS_KEY_ID": key.access_key,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        # The key has no token; botocore reads one, and an end, from these names too.
        "AWS_SESSION_TOKEN": None,
        "AWS_SECURITY_TOKEN": None,
        "AWS_CREDENTIAL_EXPIRATION": None,
        "AWS_ACCOUNT_ID": None,
        # They could ask for signatures that the emulator cannot check.
        "AWS_AUTH_SCHEME_PREFERENCE": None,
        "AWS_SIGV4A_SIGNING_REGION_SET": None,
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


def file(folder: Path) -> Path:
    """Return the file that `write` puts into a folder."""
    return folder / _FILE


def write(variables: Mapping[str, str | None], folder: Path) -> None:
    """Write the variables as commands of a shell, into a file that only its owner may read.

    Args:
        variables: Name to value, None for one to unset.
        folder: Where; only its owner may enter it.
    """
    lines = [
        f"unset {name}\n" if value is None else f"export {name}={shlex.quote(value)}\n"
        for name, value in variables.items()
    ]
    # Its mode from the first byte on, whatever the umask is; never one that is there already.
    descriptor = os.open(file(folder), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.writelines(lines)
