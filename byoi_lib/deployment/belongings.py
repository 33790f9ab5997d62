"""What this project made around its endpoints: stacks, log groups, model data, images.

Each kind has one sign that makes it ours, and nothing else is touched:

* CloudFormation stack: its name is `byoi` or begins with `byoi-`, or it has a tag `byoi:...`
* log group: of an endpoint with our tags, or it has our tag itself (deploying sets it), or
  its endpoint's name begins with `byoi`
* object in S3: under `byoi/` in the bucket that BYOI_BUCKET names
* repository in Amazon ECR: named `byoi`, as ./build_and_push.sh makes it, with its images
"""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from byoi_lib.deployment import container_log, model_object, role, tags
from byoi_lib.deployment.account import Account

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


def find(account: Account, endpoints: Collection[str]) -> Iterator[Belonging]:
    """Yield everything but endpoints and their parts, in an order in which it can be deleted.

    Args:
        account: Where to look.
        endpoints: Names of the endpoints that are ours by their tags.

    Raises:
        ClientError: AWS refused a call.
    """
    stacks = list(_stacks(account.client("cloudformation")))
    # The role goes last: what runs as it has to be gone.
    yield from (stack for stack in stacks if stack.name != role.STACK)
    yield from _log_groups(account.client("logs"), endpoints)
    if account.environ.get("BYOI_BUCKET"):
        yield from _objects(account.client("s3"), account.bucket())
    yield from _repositories(account.client("ecr"))
    yield from (stack for stack in stacks if stack.name == role.STACK)


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
    for page in pages.paginate(logGroupNamePrefix=container_log.GROUPS):
        for entry in page["logGroups"]:
            name = entry["logGroupName"]
            endpoint = name.removeprefix(container_log.GROUPS)
            is_ours = endpoint in endpoints or endpoint.startswith("byoi")
            if is_ours or _has_tag(logs, entry):
                yield Belonging(
                    "log group",
                    name,
                    functools.partial(logs.delete_log_group, logGroupName=name),
                )


def _has_tag(logs: Any, entry: dict[str, Any]) -> bool:
    found = logs.list_tags_for_resource(resourceArn=container_log.arn(entry))
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
