"""The inventory of an account: what this project made in it, and its deletion.

Deleting needs nothing but AWS: it also works after the process that deployed has ended. Each kind
of resource has one mark that makes it ours, and nothing else is touched:

* endpoint, endpoint configuration, model: it has our tags
* CloudFormation stack: its name is `byoi` or begins with `byoi-`, or it has a tag `byoi:...`
* log group: of an endpoint with our tags, or it has our tag itself (deploying sets it), or
  its endpoint's name begins with `byoi`
* object in S3: under `byoi/` in the bucket that BYOI_BUCKET names
* repository in Amazon ECR: named `byoi`, as ./build_and_push.sh makes it, with its images

Sources: API ListEndpoints, ListEndpointConfigs, ListModels, ListTags; CloudFormation
DescribeStacks; CloudWatch Logs DescribeLogGroups; S3 ListObjectsV2; ECR DescribeRepositories.
"""

import contextlib
import datetime as dt
import functools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from byoi import errors, terminal
from byoi.deployment import model_object, resources, tags, waiting
from byoi.deployment.account import EXECUTION_ROLE_STACK, Account, aws_errors
from byoi.deployment.resources import CONFIG, ENDPOINT, MODEL
from byoi.deployment.tags import Ownership
from byoi.names import S3Uri

# In place of a status, for parts without an endpoint.
NO_ENDPOINT = "no endpoint"
_REPOSITORY = "byoi"
_TAG_PREFIX = "byoi:"
# Part of the names that we give, and of those the SDK derives from the image's name. Users name
# endpoints, so endpoints of any name are listed.
_NAME_PART = "byoi"
# API ListEndpoints and its kin allow 100.
_PAGE_SIZE = 100
# Kind to its list call, the list in the answer, and name and ARN in an entry.
_LISTS = {
    ENDPOINT: ("list_endpoints", "Endpoints", "EndpointName", "EndpointArn"),
    CONFIG: ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", "EndpointConfigArn"),
    MODEL: ("list_models", "Models", "ModelName", "ModelArn"),
}


@dataclass(frozen=True)
class Part:
    """An endpoint, endpoint configuration or model with our tags.

    Attributes:
        kind: `endpoint`, `endpoint configuration` or `model`.
        name: Name of the resource.
        owner: The endpoint it was made for, and when it expires.
    """

    kind: str
    name: str
    owner: Ownership


@dataclass(frozen=True)
class DeployedEndpoint:
    """An endpoint with our tags, or the parts that an interrupted deployment left.

    Attributes:
        name: Name of the endpoint.
        status: SageMaker's status, or `no endpoint`.
        instances: Type and count of each variant.
        created: Time of creation, with a time zone; None without an endpoint.
        expires: When it may be deleted; None is never.
        parts: All that is deleted with it.
    """

    name: str
    status: str
    instances: tuple[tuple[str, int], ...]
    created: dt.datetime | None
    expires: dt.datetime | None
    parts: tuple[Part, ...]

    def is_expired(self, now: dt.datetime) -> bool:
        """Whether it may be deleted at `now`."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True)
class Resource:
    """A resource of any kind that this project made.

    Attributes:
        kind: Kind of resource, such as `stack` or `log group`.
        name: AWS's name of it.
        delete: Deletes it, and waits until it is gone where that takes time.
    """

    kind: str
    name: str
    delete: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@aws_errors("the endpoints cannot be listed")
def find_endpoints(account: Account) -> list[DeployedEndpoint]:
    """Return all endpoints with our tags by name, and the parts that are left of deleted ones.

    Raises:
        HostingError: AWS refused a call.
    """
    parts: dict[str, list[Part]] = {}
    for kind in (ENDPOINT, CONFIG, MODEL):
        for part in _list_parts(account.sagemaker, kind):
            parts.setdefault(part.owner.endpoint, []).append(part)
    return [_describe(account.sagemaker, name, parts[name]) for name in sorted(parts)]


def find_expired(endpoints: Sequence[DeployedEndpoint], now: dt.datetime) -> list[str]:
    """Return the names of the endpoints that may be deleted at `now`."""
    return [one.name for one in endpoints if one.is_expired(now)]


@aws_errors("not everything was deleted")
def delete_endpoints(
    account: Account, names: Sequence[str], *, progress: waiting.Progress = waiting.silent
) -> None:
    """Delete endpoints with our tags, their configurations and models, or what is left of them.

    All deletions are started before the first is waited for.

    Args:
        account: Account of the endpoints.
        names: Names of the endpoints.
        progress: Takes one line for each deleted resource, and for each container that SIGTERM
            did not end, where the log has it.

    Raises:
        HostingError: An endpoint is not ours, or does not exist: then none is deleted. Or AWS
            refused a call.
    """
    progress = terminal.showing(progress)
    found = {one.name: one for one in find_endpoints(account)}
    for name in names:
        if name not in found:
            raise errors.HostingError(_explain_absence(account.sagemaker, name))
    sagemaker, started_s = account.sagemaker, time.time()
    chosen = [found[name] for name in dict.fromkeys(names)]
    for one in chosen:
        if one.status in waiting.TRANSIENT - {"Deleting"}:
            progress(f"waiting for {one.name}, which is {one.status}")
            waiting.wait(sagemaker, one.name)
        if one.status not in {NO_ENDPOINT, "Deleting"}:
            resources.delete(sagemaker, ENDPOINT, one.name)
    for one in chosen:
        if one.status != NO_ENDPOINT:
            waiting.wait(sagemaker, one.name)
            progress(f"deleted {ENDPOINT} {one.name}")
            logs = account.client("logs")
            for line in waiting.find_stop_problems(logs, one.name, started_s):
                progress(f"  | {line}")
        resources.remove_unused(
            sagemaker,
            one.name,
            configs=[part.name for part in one.parts if part.kind == CONFIG],
            models=[part.name for part in one.parts if part.kind == MODEL],
            progress=progress,
        )


@aws_errors("not everything was found")
def find_everything(account: Account) -> list[Resource]:
    """Return all that this project made in the account and region.

    Each can be deleted after the ones before it: nothing in the list is still in use then.

    Raises:
        HostingError: AWS refused a call.
    """
    found = find_endpoints(account)
    endpoints = [
        Resource(
            ENDPOINT if one.status != NO_ENDPOINT else "parts of endpoint",
            one.name,
            functools.partial(delete_endpoints, account, [one.name]),
        )
        for one in found
    ]
    stacks = list(_list_stacks(account.client("cloudformation")))
    has_bucket = bool(account.environ.get("BYOI_BUCKET"))
    return [
        *endpoints,
        *(stack for stack in stacks if stack.name != EXECUTION_ROLE_STACK),
        *_list_log_groups(account.client("logs"), [one.name for one in found]),
        *(_list_objects(account.client("s3"), account.bucket()) if has_bucket else ()),
        *_list_repositories(account.client("ecr")),
        # The role is last: everything that runs as it has to be gone.
        *(stack for stack in stacks if stack.name == EXECUTION_ROLE_STACK),
    ]


def _list_parts(sagemaker: Any, kind: str) -> Iterator[Part]:
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


def _describe(sagemaker: Any, name: str, parts: list[Part]) -> DeployedEndpoint:
    described = None
    if any(part.kind == ENDPOINT for part in parts):
        described = waiting.describe(sagemaker, name)
    config = described and resources.describe(sagemaker, CONFIG, described["EndpointConfigName"])
    expiries = [part.owner.expires for part in parts if part.kind == ENDPOINT or not described]
    return DeployedEndpoint(
        name,
        described["EndpointStatus"] if described else NO_ENDPOINT,
        tuple(
            (variant.get("InstanceType", "serverless"), int(variant.get("InitialInstanceCount", 0)))
            for variant in (config or {}).get("ProductionVariants", ())
        ),
        described["CreationTime"] if described else None,
        # Parts without an endpoint expire with the last of them.
        None if None in expiries else max(filter(None, expiries)),
        tuple(parts),
    )


def _explain_absence(sagemaker: Any, name: str) -> str:
    if waiting.describe(sagemaker, name):
        return (
            f"endpoint {name} was not created by byoi (it has no tag {tags.ENDPOINT}) and is not "
            f"deleted. To delete it: aws sagemaker delete-endpoint --endpoint-name {name}"
        )
    return f"there is no endpoint {name}, and nothing is left of one; `byoi endpoints` lists them"


def _list_stacks(cloudformation: Any) -> Iterator[Resource]:
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            name = stack["StackName"]
            has_tag = any(tag["Key"].startswith(_TAG_PREFIX) for tag in stack.get("Tags", ()))
            is_ours = has_tag or name == "byoi" or name.startswith("byoi-")
            # A nested stack is deleted with its parent.
            if is_ours and "ParentId" not in stack and stack["StackStatus"] != "DELETE_COMPLETE":
                delete_it = functools.partial(_delete_stack, cloudformation, name)
                yield Resource("stack", name, delete_it)


def _delete_stack(cloudformation: Any, name: str) -> None:
    cloudformation.delete_stack(StackName=name)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 5, "MaxAttempts": 360})


def _list_log_groups(logs: Any, endpoints: Collection[str]) -> Iterator[Resource]:
    pages = logs.get_paginator("describe_log_groups")
    for page in pages.paginate(logGroupNamePrefix=waiting.LOG_GROUPS):
        for entry in page["logGroups"]:
            name = entry["logGroupName"]
            endpoint = name.removeprefix(waiting.LOG_GROUPS)
            is_ours = endpoint in endpoints or endpoint.startswith(_NAME_PART)
            if is_ours or _has_tag(logs, entry):
                delete_it = functools.partial(logs.delete_log_group, logGroupName=name)
                yield Resource("log group", name, delete_it)


def _has_tag(logs: Any, entry: dict[str, Any]) -> bool:
    found = logs.list_tags_for_resource(resourceArn=waiting.log_group_arn(entry))
    return tags.ENDPOINT in found["tags"]


def _list_objects(s3: Any, bucket: str) -> Iterator[Resource]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=model_object.FOLDER)
    for page in pages:
        for entry in page.get("Contents", ()):
            key = entry["Key"]
            delete_it = functools.partial(s3.delete_object, Bucket=bucket, Key=key)
            yield Resource("object", str(S3Uri(bucket, key)), delete_it)


def _list_repositories(ecr: Any) -> Iterator[Resource]:
    found: list[dict[str, Any]] = []
    with contextlib.suppress(ecr.exceptions.RepositoryNotFoundException):
        found = ecr.describe_repositories(repositoryNames=[_REPOSITORY])["repositories"]
    for repository in found:
        name = repository["repositoryName"]
        delete_it = functools.partial(ecr.delete_repository, repositoryName=name, force=True)
        yield Resource("repository", name, delete_it)
