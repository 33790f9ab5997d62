"""What runs in the account, found by tags, and its clean-up: also after its kernel is gone.

Sources: API ListEndpoints, ListEndpointConfigs, ListModels, ListTags.

What this project made around its endpoints: stacks, log groups, model data, images.

Each kind has one sign that makes it ours, and nothing else is touched:

* CloudFormation stack: its name is `byoi` or begins with `byoi-`, or it has a tag `byoi:...`
* log group: of an endpoint with our tags, or it has our tag itself (deploying sets it), or
  its endpoint's name begins with `byoi`
* object in S3: under `byoi/` in the bucket that BYOI_BUCKET names
* repository in Amazon ECR: named `byoi`, as ./build_and_push.sh makes it, with its images
"""

import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from byoi import errors
from byoi.deployment import model_object, resources, tags, waiting
from byoi.deployment.account import EXECUTION_ROLE_STACK, Account, aws_errors
from byoi.deployment.resources import CONFIG, ENDPOINT, MODEL
from byoi.deployment.tags import Ownership

_REPOSITORY = "byoi"
_TAG_PREFIX = "byoi:"


@dataclass(frozen=True)
class Belonging:
    """One thing of ours.

    Attributes:
        kind: What it is.
        name: What AWS calls it.
        delete: Deletes it, and waits until it is gone where that takes time.
    """

    kind: str
    name: str
    delete: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def find_belongings(account: Account, endpoints: Collection[str]) -> Iterator[Belonging]:
    """Yield everything but endpoints and their parts, in an order in which it can be deleted.

    Args:
        account: Where to look.
        endpoints: Names of the endpoints that are ours by their tags.

    Raises:
        ClientError: AWS refused a call.
    """
    stacks = list(_stacks(account.client("cloudformation")))
    # The role goes last: what runs as it has to be gone.
    yield from (stack for stack in stacks if stack.name != EXECUTION_ROLE_STACK)
    yield from _log_groups(account.client("logs"), endpoints)
    if account.environ.get("BYOI_BUCKET"):
        yield from _objects(account.client("s3"), account.bucket())
    yield from _repositories(account.client("ecr"))
    yield from (stack for stack in stacks if stack.name == EXECUTION_ROLE_STACK)


def _stacks(cloudformation: Any) -> Iterator[Belonging]:
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            name = stack["StackName"]
            has_tag = any(tag["Key"].startswith(_TAG_PREFIX) for tag in stack.get("Tags", ()))
            is_ours = has_tag or name == "byoi" or name.startswith("byoi-")
            # What belongs to another stack goes with it.
            if is_ours and "ParentId" not in stack and stack["StackStatus"] != "DELETE_COMPLETE":
                yield Belonging("stack", name, _deleting_stack(cloudformation, name))


def _deleting_stack(cloudformation: Any, name: str) -> Callable[[], object]:
    def delete() -> None:
        cloudformation.delete_stack(StackName=name)
        waiter = cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 5, "MaxAttempts": 360})

    return delete


def _log_groups(logs: Any, endpoints: Collection[str]) -> Iterator[Belonging]:
    pages = logs.get_paginator("describe_log_groups")
    for page in pages.paginate(logGroupNamePrefix=waiting.LOG_GROUPS):
        for entry in page["logGroups"]:
            name = entry["logGroupName"]
            endpoint = name.removeprefix(waiting.LOG_GROUPS)
            is_ours = endpoint in endpoints or endpoint.startswith("byoi")
            if is_ours or _has_tag(logs, entry):
                yield Belonging(
                    "log group",
                    name,
                    functools.partial(logs.delete_log_group, logGroupName=name),
                )


def _has_tag(logs: Any, entry: dict[str, Any]) -> bool:
    found = logs.list_tags_for_resource(resourceArn=waiting.log_group_arn(entry))
    return tags.ENDPOINT in found["tags"]


def _objects(s3: Any, bucket: str) -> Iterator[Belonging]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=model_object.FOLDER)
    for page in pages:
        for entry in page.get("Contents", ()):
            key = entry["Key"]
            yield Belonging(
                "object",
                f"s3://{bucket}/{key}",
                functools.partial(s3.delete_object, Bucket=bucket, Key=key),
            )


def _repositories(ecr: Any) -> Iterator[Belonging]:
    found: list[dict[str, Any]] = []
    with contextlib.suppress(ecr.exceptions.RepositoryNotFoundException):
        found = ecr.describe_repositories(repositoryNames=[_REPOSITORY])["repositories"]
    for repository in found:
        name = repository["repositoryName"]
        yield Belonging(
            "repository",
            name,
            functools.partial(ecr.delete_repository, repositoryName=name, force=True),
        )


# Part of all names we give, and of those the SDK derives from the image's name. Endpoints are
# called by their users, and looked at whatever their name.
_NAME_PART = "byoi"
# API ListEndpoints and its kin allow 100.
_PAGE_SIZE = 100
# Kind to its list call, the list in the answer and the name in an entry.
_LISTS = {
    ENDPOINT: ("list_endpoints", "Endpoints", "EndpointName", "EndpointArn"),
    CONFIG: ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", "EndpointConfigArn"),
    MODEL: ("list_models", "Models", "ModelName", "ModelArn"),
}


@dataclass(frozen=True)
class Part:
    """One thing of ours in SageMaker.

    Attributes:
        kind: `endpoint`, `endpoint configuration` or `model`.
        name: Its own name.
        owner: The endpoint it was made for, and until when.
    """

    kind: str
    name: str
    owner: Ownership


@dataclass(frozen=True)
class Running:
    """One endpoint of ours; without an endpoint, what an interrupted deployment left.

    Attributes:
        name: The endpoint's name.
        status: SageMaker's word, or `no endpoint`.
        instances: Type and count of each variant.
        created: When, with a time zone; None without an endpoint.
        expires: When it may be deleted; None is never.
        parts: All that goes with it.
    """

    name: str
    status: str
    instances: tuple[tuple[str, int], ...]
    created: dt.datetime | None
    expires: dt.datetime | None
    parts: tuple[Part, ...]

    def is_expired(self, now: dt.datetime) -> bool:
        """Whether its time is over at `now`."""
        return self.expires is not None and self.expires <= now


NO_ENDPOINT = "no endpoint"


@aws_errors("the endpoints cannot be listed")
def running(account: Account) -> list[Running]:
    """Return all endpoints of ours, by name, and the parts that are left of others.

    Only the tags decide what is ours.

    Raises:
        HostingError: AWS refused a call.
    """
    parts: dict[str, list[Part]] = {}
    for kind in (ENDPOINT, CONFIG, MODEL):
        for part in _find(account.sagemaker, kind):
            parts.setdefault(part.owner.endpoint, []).append(part)
    return [_running(account.sagemaker, name, parts[name]) for name in sorted(parts)]


@aws_errors("not everything was deleted")
def delete(
    account: Account, names: Sequence[str], *, progress: waiting.Progress = waiting.silent
) -> None:
    """Delete endpoints of ours with their configurations and models, also of what is no more.

    All are asked to go before the first is waited for.

    Args:
        account: Where they are.
        names: Their names.
        progress: Takes one line for each thing that is gone.

    Raises:
        HostingError: One is not ours, or not there: then none is deleted. Or AWS refused
            a call.
    """
    found = {one.name: one for one in running(account)}
    for name in names:
        if name not in found:
            raise errors.HostingError(_why_not(account.sagemaker, name))
    sagemaker = account.sagemaker
    chosen = [found[name] for name in dict.fromkeys(names)]
    for one in chosen:
        if one.status in waiting.TRANSIENT - {"Deleting"}:
            progress(f"waiting for what goes on with {one.name}, which is {one.status}")
            waiting.wait(sagemaker, one.name)
        if one.status not in {NO_ENDPOINT, "Deleting"}:
            resources.delete(sagemaker, ENDPOINT, one.name)
    for one in chosen:
        if one.status != NO_ENDPOINT:
            waiting.wait(sagemaker, one.name)
            progress(f"deleted {ENDPOINT} {one.name}")
        resources.remove_unused(
            sagemaker,
            one.name,
            configs=[part.name for part in one.parts if part.kind == CONFIG],
            models=[part.name for part in one.parts if part.kind == MODEL],
            progress=progress,
        )


def expired(found: Sequence[Running], now: dt.datetime) -> list[str]:
    """Return the names of those whose time is over at `now`."""
    return [one.name for one in found if one.is_expired(now)]


@aws_errors("not everything was found")
def everything(account: Account) -> list[Belonging]:
    """Return all that this project ever made in the account and region, ready to be deleted.

    Deleted one after the other, in this order, nothing stands in another's way. Endpoints,
    with their configurations and models, are ours by their tags; `belongings` says what
    makes the others ours.

    Raises:
        HostingError: AWS refused a call.
    """
    found = running(account)
    endpoints = [
        Belonging(
            ENDPOINT if one.status != NO_ENDPOINT else "parts of endpoint",
            one.name,
            functools.partial(delete, account, [one.name]),
        )
        for one in found
    ]
    return [*endpoints, *find_belongings(account, [one.name for one in found])]


def _find(sagemaker: Any, kind: str) -> Iterator[Part]:
    call, entries, name, arn = _LISTS[kind]
    narrowed = {} if kind == ENDPOINT else {"NameContains": _NAME_PART}
    pages = sagemaker.get_paginator(call).paginate(
        **narrowed, PaginationConfig={"PageSize": _PAGE_SIZE}
    )
    for page in pages:
        for entry in page[entries]:
            owner = resources.find_ownership(sagemaker, entry[arn])
            if owner is not None:
                yield Part(kind, entry[name], owner)


def _running(sagemaker: Any, name: str, parts: list[Part]) -> Running:
    described = None
    if any(part.kind == ENDPOINT for part in parts):
        described = waiting.describe(sagemaker, name)
    config = described and resources.describe(sagemaker, CONFIG, described["EndpointConfigName"])
    expiries = [part.owner.expires for part in parts if part.kind == ENDPOINT or not described]
    return Running(
        name,
        described["EndpointStatus"] if described else NO_ENDPOINT,
        tuple(
            (variant.get("InstanceType", "serverless"), int(variant.get("InitialInstanceCount", 0)))
            for variant in (config or {}).get("ProductionVariants", ())
        ),
        described["CreationTime"] if described else None,
        # What is left of an endpoint expires with the last of it.
        None if None in expiries else max(filter(None, expiries)),
        tuple(parts),
    )


def _why_not(sagemaker: Any, name: str) -> str:
    if waiting.describe(sagemaker, name):
        return (
            f"endpoint {name} was not made here (it has no tag {tags.ENDPOINT}), so it is left "
            f"as it is. Delete it yourself: aws sagemaker delete-endpoint --endpoint-name {name}"
        )
    return f"there is no endpoint {name}, and nothing is left of one; `byoi endpoints` lists them"
