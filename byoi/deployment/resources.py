"""Endpoints, endpoint configurations and models in SageMaker: describe, tag and delete them.

Sources: API DescribeEndpoint, DescribeEndpointConfig, DescribeModel, ListTags, AddTags,
DeleteEndpoint, DeleteEndpointConfig, DeleteModel.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors
from byoi.deployment import tags, waiting

ENDPOINT, CONFIG, MODEL = "endpoint", "endpoint configuration", "model"
# Kind to the names of its calls, of their parameter, and of the ARN in the answer.
_CALLS = {
    ENDPOINT: ("endpoint", "EndpointName", "EndpointArn"),
    CONFIG: ("endpoint_config", "EndpointConfigName", "EndpointConfigArn"),
    MODEL: ("model", "ModelName", "ModelArn"),
}


def describe(sagemaker: Any, kind: str, name: str) -> dict[str, Any] | None:
    """Return AWS's description of a resource, None if it does not exist."""
    noun, parameter, _ = _CALLS[kind]
    try:
        return dict(getattr(sagemaker, f"describe_{noun}")(**{parameter: name}))
    except ClientError as error:
        if waiting.is_absent(error):
            return None
        raise


def delete(sagemaker: Any, kind: str, name: str) -> bool:
    """Delete a resource; False if it does not exist."""
    noun, parameter, _ = _CALLS[kind]
    try:
        getattr(sagemaker, f"delete_{noun}")(**{parameter: name})
    except ClientError as error:
        if waiting.is_absent(error):
            return False
        raise
    return True


def arn(kind: str, described: dict[str, Any]) -> str:
    """Return the ARN in a resource's description."""
    return str(described[_CALLS[kind][2]])


def find_ownership(sagemaker: Any, resource_arn: str) -> tags.Ownership | None:
    """Return the ownership in a resource's tags, None if it is not ours or does not exist."""
    found = []
    try:
        for page in sagemaker.get_paginator("list_tags").paginate(ResourceArn=resource_arn):
            found += page["Tags"]
    except ClientError as error:
        if waiting.is_absent(error):
            return None
        raise
    return tags.read(found)


def models_of(sagemaker: Any, config_name: str) -> list[str]:
    """Return the models that a configuration names; none if it does not exist."""
    described = describe(sagemaker, CONFIG, config_name)
    variants = described["ProductionVariants"] if described else ()
    return [variant["ModelName"] for variant in variants]


def extend(sagemaker: Any, resource_arn: str, endpoint: str, expires: dt.datetime | None) -> None:
    """Give a resource with our tags a new expiry."""
    sagemaker.add_tags(ResourceArn=resource_arn, Tags=tags.make(endpoint, expires))


def delete_all(sagemaker: Any, endpoint: str, config: str, models: Iterable[str]) -> None:
    """Delete an endpoint, wait until it is gone, and delete its configuration and models.

    Every deletion is attempted even if one fails; what is already gone is not an error. Tags are
    not read: the caller knows that it made them.

    Args:
        sagemaker: boto3's client of that name, or local mode's.
        endpoint: Name of the endpoint.
        config: Name of its configuration.
        models: Names of its models.

    Raises:
        HostingError: Something could not be deleted; the message names it.
    """
    failures = []
    for kind, name in [(ENDPOINT, endpoint), (CONFIG, config), *((MODEL, one) for one in models)]:
        try:
            if delete(sagemaker, kind, name) and kind == ENDPOINT:
                waiting.wait(sagemaker, endpoint)
        except (ClientError, BotoCoreError, OSError, errors.ByoiError) as error:
            failures.append(f"{name}: {error}")
    if failures:
        raise errors.HostingError(
            "not everything could be deleted; call delete() again, or delete by hand: "
            + "; ".join(failures)
        )


def remove(
    sagemaker: Any,
    name: str,
    configs: Sequence[str],
    progress: waiting.Progress = waiting.silent,
) -> None:
    """Delete an endpoint, wait until it is gone, and delete its parts if they are ours.

    Args:
        sagemaker: boto3's client of that name.
        name: Name of the endpoint.
        configs: Its configurations; their models are deleted with them.
        progress: Takes one line for each deleted resource.
    """
    models = [model for config in configs for model in models_of(sagemaker, config)]
    if delete(sagemaker, ENDPOINT, name):
        waiting.wait(sagemaker, name)
        progress(f"deleted {ENDPOINT} {name}")
    remove_unused(sagemaker, name, configs=configs, models=models, progress=progress)


def remove_unused(
    sagemaker: Any,
    name: str,
    *,
    configs: Iterable[str],
    models: Iterable[str],
    progress: waiting.Progress = waiting.silent,
) -> None:
    """Delete parts of an endpoint, except those that it uses now.

    Resources without this endpoint's tag are not deleted, even if its configurations name them.

    Args:
        sagemaker: boto3's client of that name.
        name: Name of the endpoint, which may be gone.
        configs: Configurations; their models are parts, too.
        models: Further models.
        progress: Takes one line for each deleted resource.
    """
    described = waiting.describe(sagemaker, name)
    used = described["EndpointConfigName"] if described else ""
    used_models = models_of(sagemaker, used) if used else []
    configs = [config for config in dict.fromkeys(configs) if config != used]
    parts = [model for config in configs for model in models_of(sagemaker, config)]
    parts = [model for model in dict.fromkeys([*models, *parts]) if model not in used_models]
    for kind, part in [*((CONFIG, one) for one in configs), *((MODEL, one) for one in parts)]:
        found = describe(sagemaker, kind, part)
        if found is None:
            continue
        owner = find_ownership(sagemaker, arn(kind, found))
        if owner is not None and owner.endpoint == name:
            delete(sagemaker, kind, part)
            progress(f"deleted {kind} {part}")
