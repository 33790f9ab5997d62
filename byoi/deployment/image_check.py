"""Check whether SageMaker can run the image: in ECR, with an accepted manifest and platform.

Sources: API ContainerDefinition, Image ("must be in the same region"); ECR User Guide,
registry_auth.html, "Using HTTP API authentication".
"""

import urllib.parse
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors, names
from byoi.deployment.account import Account, error_code
from byoi.deployment.ecr import EcrRegistry
from byoi.deployment.finding import Finding, not_known
from byoi.deployment.image import check_manifest, check_platform, platform_of
from byoi.deployment.plan import Plan
from byoi.names import ImageReference

_PUSH = "./build_and_push.sh pushes an image and prints its URI"
# ECR's errors for a repository that does not exist, and for a name that none can have.
_ABSENT = {"RepositoryNotFoundException", "InvalidParameterException"}


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield whether a plan's image is in ECR, and whether its instances can run it."""
    image = ImageReference.parse(plan.image_uri)
    what = f"image {plan.image_uri}"
    try:
        is_there = _has_repository(account, image)
    except (BotoCoreError, ClientError) as error:
        yield not_known(what, error)
        return
    if is_there:
        yield from _check_content(account, plan, image, what)
    else:
        yield _find_elsewhere(account, image, what)


def _has_repository(account: Account, image: ImageReference) -> bool:
    """Whether the account's ECR has the repository under this host."""
    try:
        answer = account.client("ecr").describe_repositories(repositoryNames=[image.repository])
    except ClientError as error:
        if error_code(error) in _ABSENT:
            return False
        raise
    return image.address in [found["repositoryUri"] for found in answer["repositories"]]


def _find_elsewhere(account: Account, image: ImageReference, what: str) -> Finding:
    """Return the finding for an image that is not in this account's ECR."""
    if _is_emulated(account):
        remedy = f"the emulator runs it, AWS would refuse it; {_PUSH}"
        return Finding(f"{what} is not in ECR", None, remedy)
    if image.ecr is None:
        return Finding(f"{what} is not in Amazon ECR", False, _PUSH)
    if image.ecr.region != account.region:
        return Finding(
            f"{what} is in {image.ecr.region}, and the endpoint will be in {account.region}",
            False,
            f"push it there: AWS_DEFAULT_REGION={account.region} ./build_and_push.sh",
        )
    if image.ecr.account == _account_number(account):
        return Finding(f"{what}: no repository {image.repository}", False, _PUSH)
    remedy = (
        f"not checked: the image is in account {image.ecr.account}, and only the ECR of this "
        "account is looked at"
    )
    return Finding(what, None, remedy)


def _check_content(
    account: Account, plan: Plan, image: ImageReference, what: str
) -> Iterator[Finding]:
    """Yield whether the repository has the image, and whether SageMaker accepts it."""
    ecr = EcrRegistry(account.client("sts"), account.client("ecr"))
    try:
        manifest = ecr.manifest(image.repository, image.version)
    except errors.RegistryError as error:
        if isinstance(error.__cause__, (BotoCoreError, ClientError)):
            yield not_known(what, error.__cause__)
        else:
            yield Finding(f"{what}: its repository has no {image.version}", False, _PUSH)
        return
    name = f"{image.repository}:{image.version}"
    needed = platform_of(plan.instance_type)
    platform, reason = None, ""
    try:
        check_manifest(manifest, name)
        try:
            platform = ecr.http().platform(image.repository, manifest)
        except errors.RegistryError as error:
            reason = str(error)
        check_platform(platform, needed, name)
    except errors.RegistryError as error:
        yield Finding(f"{what}: SageMaker takes its manifest and platform", False, str(error))
        return
    yield Finding(f"{what}: in ECR, with a manifest SageMaker takes", True)
    yield Finding(
        f"image for {needed}, which {plan.instance_type} runs", None if reason else True, reason
    )


def _account_number(account: Account) -> str:
    """Return the account's number; "" if AWS does not tell it."""
    try:
        return str(account.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        return ""


def _is_emulated(account: Account) -> bool:
    """Whether SageMaker's API is on this machine."""
    url = urllib.parse.urlsplit(account.sagemaker.meta.endpoint_url)
    return names.is_this_machine(url.netloc)
