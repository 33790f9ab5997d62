"""An AWS account: boto3's clients, the bucket, the execution role, and the URLs of REST APIs.

Sources: API InvokeEndpoint ("if your model is going to take 50-60 seconds of processing time,
the SDK socket timeout should be set to be 70 seconds"); SageMaker Developer Guide,
sagemaker-roles.html (SageMaker pulls the image and reads model data as the execution role);
API Gateway Developer Guide, "Invoke REST APIs in API Gateway".
"""

import contextlib
import functools
import os
import re
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from byoi import contract, errors, names, proxies

# Made from infra/execution_role.yaml, whose output has this name.
EXECUTION_ROLE_STACK = "byoi-execution-role"
EXECUTION_ROLE_OUTPUT = "RoleArn"
EXECUTION_ROLE_COMMAND = (
    f"aws cloudformation create-stack --stack-name {EXECUTION_ROLE_STACK} "
    "--template-body file://infra/execution_role.yaml --capabilities CAPABILITY_IAM "
    "--parameters ParameterKey=Bucket,ParameterValue=$BYOI_BUCKET"
)
# Above the platform's own limit, so that the endpoint's answer comes before our time-out.
RUNTIME_READ_TIMEOUT_S = contract.INVOCATION_TIMEOUT_S + 10
CONNECT_TIMEOUT_S = 5
# Seconds for an answer and number of attempts: boto3 repeats only what AWS says may be repeated.
_USUAL_PATIENCE = (60, 4)
_PATIENCE = {
    # A model may have acted on the request: never send it twice.
    "sagemaker-runtime": (RUNTIME_READ_TIMEOUT_S, 1),
    # A deployment does not wait long for a price.
    "pricing": (10, 1),
}
_REST_API_SERVICE = "apigateway."


class Account:
    """One AWS account and region, and the clients that reach it.

    Attributes:
        session: boto3's session: credentials and region.
        environ: Where BYOI_BUCKET and BYOI_ROLE_ARN are read.
        endpoint_url: URL of all APIs, None where boto3 finds them.
    """

    def __init__(
        self,
        session: boto3.Session,
        *,
        environ: Mapping[str, str] = os.environ,
        endpoint_url: str | None = None,
        clients: Mapping[str, Any] | None = None,
    ) -> None:
        """Make an account, whose clients are made on demand; AWS is not called.

        Args:
            session: boto3's session with credentials and region.
            environ: Where BYOI_BUCKET and BYOI_ROLE_ARN are read.
            endpoint_url: URL of all APIs; by default boto3 finds them.
            clients: boto3's name of a service to an existing client.
        """
        self.session = session
        self.environ = environ
        self.endpoint_url = endpoint_url
        self._clients = dict(clients or {})

    @property
    def region(self) -> str:
        """The region's name, such as `eu-central-1`."""
        return str(self.session.region_name)

    @property
    def sagemaker(self) -> Any:
        """boto3's client of that name."""
        return self.client("sagemaker")

    @property
    def runtime(self) -> Any:
        """boto3's `sagemaker-runtime`: waits 70 s, and sends an invocation only once."""
        return self.client("sagemaker-runtime")

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return boto3's client of a service, the same one each time.

        Args:
            service: boto3's name, such as `logs`, `s3` or `service-quotas`.
            region: Region to ask; by default the account's.
        """
        key = service if region is None else f"{service} {region}"
        if key not in self._clients:
            read_timeout_s, total_max_attempts = _PATIENCE.get(service, _USUAL_PATIENCE)
            config = Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=read_timeout_s,
                retries={"mode": "standard", "total_max_attempts": total_max_attempts},
            )
            self._clients[key] = self._make_client(service, region, config)
        return self._clients[key]

    def _make_client(self, service: str, region: str | None, config: Config) -> Any:
        make = functools.partial(
            self.session.client, service, region_name=region, endpoint_url=self.endpoint_url
        )
        client = make(config=config)
        # Where its address comes from, botocore says when it is made: an argument, a variable
        # or a file. For an emulator of this machine, the environment's proxies do not count.
        direct = proxies.of(client.meta.endpoint_url)
        if direct is None or not urllib.request.getproxies():
            return client
        return make(config=config.merge(Config(proxies=direct)))

    def bucket(self) -> str:
        """Return the bucket for model data.

        Raises:
            ConfigurationError: BYOI_BUCKET is not set.
        """
        name = self.environ.get("BYOI_BUCKET", "").strip()
        if not name:
            raise errors.ConfigurationError(
                "BYOI_BUCKET is not set. Model data on this machine must be uploaded to a bucket "
                "in your account. Create one (`aws s3 mb s3://NAME`, or infra/execution_role.yaml),"
                " then `export BYOI_BUCKET=NAME`; or give --model-data as an s3:// URI"
            )
        if names.is_s3_uri(name) or "/" in name:
            raise errors.ConfigurationError(
                f"BYOI_BUCKET={name!r}: expected a bucket's bare name, without s3:// and folders"
            )
        return name

    def role_arn(self) -> str:
        """Return the ARN of the role that endpoints run as; see `find_role_arn`."""
        return find_role_arn(self.environ, self.client("cloudformation"))


def connect(environ: Mapping[str, str] = os.environ) -> Account:
    """Return the account that boto3 finds in this process's environment and files.

    Args:
        environ: Where AWS_REGION, BYOI_BUCKET and BYOI_ROLE_ARN are read; boto3 reads the
            process's own environment and ~/.aws.

    Raises:
        ConfigurationError: There is no region, there are no credentials, or the profile
            does not exist.
    """
    with aws_errors():
        session = boto3.Session()
        if session.region_name is None:
            # The CLI and other SDKs read this one, boto3 does not.
            region = environ.get("AWS_REGION")
            if not region:
                raise errors.ConfigurationError(
                    "no AWS region is set; `export AWS_DEFAULT_REGION=us-east-1` (or yours), or "
                    "write one into ~/.aws/config with `aws configure`. To rehearse without an "
                    "account: `byoi emulator run -- COMMAND`"
                )
            session = boto3.Session(region_name=region)
        if session.get_credentials() is None:
            raise errors.ConfigurationError(
                "no AWS credentials were found; set AWS_PROFILE (after `aws configure` or "
                "`aws sso login`), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. To rehearse "
                "without an account: `byoi emulator run -- COMMAND`"
            )
    return Account(session, environ=environ)


def find_role_arn(environ: Mapping[str, str], cloudformation: Any) -> str:
    """Return the execution role's ARN: BYOI_ROLE_ARN, else the output of the stack that makes one.

    Args:
        environ: Where BYOI_ROLE_ARN is read.
        cloudformation: boto3's client of that name.

    Raises:
        ConfigurationError: Neither is there, or BYOI_ROLE_ARN is not a role's ARN.
        ClientError: AWS refused to describe the stack, for another reason than its absence.
    """
    given = environ.get("BYOI_ROLE_ARN", "").strip()
    if given:
        return check_role_arn(given, "BYOI_ROLE_ARN")
    try:
        stacks = cloudformation.describe_stacks(StackName=EXECUTION_ROLE_STACK)["Stacks"]
    except ClientError as error:
        # CloudFormation's code for a stack that does not exist.
        if error_code(error) != "ValidationError":
            raise
        stacks = []
    for stack in stacks:
        for output in stack.get("Outputs", ()):
            if output["OutputKey"] == EXECUTION_ROLE_OUTPUT:
                return str(output["OutputValue"])
    raise errors.ConfigurationError(
        f"no execution role: BYOI_ROLE_ARN is not set, and there is no stack "
        f"{EXECUTION_ROLE_STACK} with an output {EXECUTION_ROLE_OUTPUT} in this region. "
        f"Make one:\n  {EXECUTION_ROLE_COMMAND}\n"
        "or name yours: export BYOI_ROLE_ARN=arn:aws:iam::ACCOUNT:role/NAME"
    )


def check_role_arn(arn: str, source: str) -> str:
    """Return `arn` if it has the form of a role's ARN.

    Args:
        arn: The ARN.
        source: The variable or option it came from, for the error.

    Raises:
        ConfigurationError: It does not.
    """
    message = f"{source}={arn!r}: expected a role's ARN such as arn:aws:iam::123456789012:role/NAME"
    try:
        parsed = names.Arn.parse(arn)
    except errors.ConfigurationError as error:
        raise errors.ConfigurationError(message) from error
    is_account = re.fullmatch(r"[0-9]{12}", parsed.account)
    if not (parsed.role_name and is_account and parsed.partition.startswith("aws")):
        raise errors.ConfigurationError(message)
    return arn


def invoke_url(client: Any, api_id: str, stage: str) -> str:
    """Return the base URL of a REST API's resources.

    Args:
        client: boto3's `apigateway` client for the API's account and region.
        api_id: The API's id.
        stage: The stage's name.

    Returns:
        On AWS `https://ID.execute-api.REGION.amazonaws.com/STAGE`; on the emulator, whose host
        has one name only, a path below it.
    """
    endpoint = str(client.meta.endpoint_url)
    host = urlsplit(endpoint).hostname or ""
    if host.startswith(_REST_API_SERVICE):
        return f"https://{api_id}.execute-api.{host.removeprefix(_REST_API_SERVICE)}/{stage}"
    return f"{endpoint}/restapis/{api_id}/{stage}/_user_request_"


@contextlib.contextmanager
def aws_errors(failure: str = "AWS cannot be used") -> Iterator[None]:
    """Turn what AWS or boto3 refuses inside this context into one line.

    Args:
        failure: How the line begins.

    Raises:
        ConfigurationError: boto3 cannot use the configuration, or sign a request.
        HostingError: AWS refused a call, or did not answer.
    """
    try:
        yield
    except ClientError as error:
        raise errors.HostingError(f"{failure}: {_explain(error)}") from error
    except HTTPClientError as error:
        raise errors.HostingError(
            f"{failure}: AWS did not answer: {error}; check the network, and the region's name"
        ) from error
    except BotoCoreError as error:
        raise errors.ConfigurationError(
            f"{failure}: {error}; check region and credentials "
            "(AWS_PROFILE, AWS_DEFAULT_REGION, `aws sts get-caller-identity`)"
        ) from error


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _explain(error: ClientError) -> str:
    remedies = {
        "AccessDenied": "infra/deployer_policy.json has the permissions that deploying needs",
        "ResourceLimitExceeded": "ask for more under Service Quotas, or take another type",
        "ExpiredToken": "log in again, for example with `aws sso login`",
    }
    for name, remedy in remedies.items():
        if error_code(error).startswith(name):
            return f"{error}; {remedy}"
    return str(error)
