"""Whether SageMaker can run the image: in ECR, with a manifest it takes, for the instance type.

Sources: API ContainerDefinition, Image ("must be in the same region"); ECR User Guide,
registry_auth.html, "Using HTTP API authentication"; `push` for manifest and platform.
"""

import ipaddress
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors
from byoi.deployment import push
from byoi.deployment.account import Account, error_code
from byoi.deployment.finding import Finding, untold
from byoi.deployment.plan import Plan
from byoi.deployment.registry import EcrRegistry, Manifest

_PUSH = "./build_and_push.sh pushes an image and prints its URI"
_ECR_HOST = re.compile(r"(\d{12})\.dkr[.-]ecr\.([a-z0-9-]+)\.")
# What ECR says of a repository that is not there, and of a name none could have.
_ABSENT = {"RepositoryNotFoundException", "InvalidParameterException"}


@dataclass(frozen=True)
class _Address:
    """A reference to an image: HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, uri: str) -> "_Address":
        name, _, digest = uri.partition("@")
        host, slash, path = name.rpartition("/") if "/" not in name else name.partition("/")
        repository, _, tag = path.partition(":")
        return cls(host if slash else "", repository, digest or tag or "latest")


@dataclass(frozen=True)
class _Read:
    """An image as it was read, for `push.check`."""

    read_manifest: Manifest
    read_platform: str | None

    def manifest(self, repository: str, tag: str) -> Manifest:  # noqa: ARG002 - read already
        return self.read_manifest

    def platform(self, repository: str, manifest: Manifest) -> str | None:  # noqa: ARG002
        return self.read_platform


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield whether a plan's image is in ECR, and whether its instances can run it."""
    address = _Address.parse(plan.image_uri)
    what = f"image {plan.image_uri}"
    try:
        is_there = _has_repository(account, address)
    except (BotoCoreError, ClientError) as error:
        yield untold(what, error)
        return
    if not is_there:
        yield _elsewhere(account, address, what)
        return
    yield from _fits(account, plan, address, what)


def _has_repository(account: Account, address: _Address) -> bool:
    """Whether the account's ECR has the repository under this host."""
    try:
        answer = account.client("ecr").describe_repositories(repositoryNames=[address.repository])
    except ClientError as error:
        if error_code(error) in _ABSENT:
            return False
        raise
    addresses = [found["repositoryUri"] for found in answer["repositories"]]
    return f"{address.host}/{address.repository}" in addresses


def _elsewhere(account: Account, address: _Address, what: str) -> Finding:
    """Return what is to say of an image that is not in this account's ECR."""
    if _is_emulated(account):
        return Finding(f"{what} is not in ECR", None, f"runs here, AWS would refuse it; {_PUSH}")
    match = _ECR_HOST.match(address.host)
    if match is None:
        return Finding(f"{what} is not in Amazon ECR", False, _PUSH)
    number, region = match.groups()
    if region != account.region:
        return Finding(
            f"{what} is in {region}, and the endpoint will be in {account.region}",
            False,
            f"push it there: AWS_DEFAULT_REGION={account.region} ./build_and_push.sh",
        )
    if number == _number(account):
        return Finding(f"{what}: no repository {address.repository}", False, _PUSH)
    return Finding(what, None, f"it is in account {number}, whose ECR this account cannot list")


def _fits(account: Account, plan: Plan, address: _Address, what: str) -> Iterator[Finding]:
    """Yield whether there is an image, and what SageMaker would make of it."""
    ecr = EcrRegistry(account.client("sts"), account.client("ecr"))
    needed = push.platform_of(plan.instance_type)
    try:
        manifest = ecr.manifest(address.repository, address.tag)
    except errors.RegistryError as error:
        if isinstance(error.__cause__, (BotoCoreError, ClientError)):
            yield untold(what, error.__cause__)
        else:
            yield Finding(f"{what}: its repository has no {address.tag}", False, _PUSH)
        return
    read = _Read(manifest, None)
    why = ""
    if "config" in manifest.content:
        try:
            platform = ecr.http().platform(address.repository, manifest)
            read = _Read(manifest, platform)
        except errors.RegistryError as error:
            why = str(error)
    try:
        push.check(read, address.repository, address.tag, needed)
    except errors.RegistryError as error:
        yield Finding(f"{what}: SageMaker takes its manifest and platform", False, str(error))
        return
    yield Finding(f"{what}: in ECR, with a manifest SageMaker takes", True)
    platform_is = f"image for {needed}, which {plan.instance_type} runs"
    yield Finding(platform_is, None if why else True, why)


def _number(account: Account) -> str:
    """Return the account's number, "" where AWS does not tell."""
    try:
        return str(account.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        return ""


def _is_emulated(account: Account) -> bool:
    """Whether SageMaker's API answers on this machine."""
    host = urllib.parse.urlsplit(account.sagemaker.meta.endpoint_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
