"""Endpoints, configurations and models as SageMaker shows them, and whose they are.

Sources: API ListTags, AddTags, DescribeModel, DescribeEndpointConfig.

Removing an endpoint and what it was made of, and nothing that is not ours by its tags.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from byoi.deployment import tags, waiting

ENDPOINT, CONFIG, MODEL = "endpoint", "endpoint configuration", "model"
# Kind to the names of its calls and of their parameter.
_CALLS = {
    ENDPOINT: ("endpoint", "EndpointName", "EndpointArn"),
    CONFIG: ("endpoint_config", "EndpointConfigName", "EndpointConfigArn"),
    MODEL: ("model", "ModelName", "ModelArn"),
}


def describe(sagemaker: Any, kind: str, name: str) -> dict[str, Any] | None:
    """Return what AWS says of one thing, None where it is not there."""
    noun, parameter, _ = _CALLS[kind]
    try:
        return dict(getattr(sagemaker, f"describe_{noun}")(**{parameter: name}))
    except ClientError as error:
        if waiting.is_absent(error):
            return None
        raise


def delete(sagemaker: Any, kind: str, name: str) -> bool:
    """Delete one thing; False where it was gone already."""
    noun, parameter, _ = _CALLS[kind]
    try:
        getattr(sagemaker, f"delete_{noun}")(**{parameter: name})
    except ClientError as error:
        if waiting.is_absent(error):
            return False
        raise
    return True


def arn(kind: str, described: dict[str, Any]) -> str:
    """Return the ARN of what was described."""
    return str(described[_CALLS[kind][2]])


def find_ownership(sagemaker: Any, resource_arn: str) -> tags.Ownership | None:
    """Return what the tags of a thing say, None where it is not ours, or gone meanwhile."""
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
    """Return the models a configuration names, none where it is gone."""
    described = describe(sagemaker, CONFIG, config_name)
    variants = described["ProductionVariants"] if described else ()
    return [variant["ModelName"] for variant in variants]


def extend(sagemaker: Any, resource_arn: str, endpoint: str, expires: dt.datetime | None) -> None:
    """Give a thing of ours a new expiry."""
    sagemaker.add_tags(ResourceArn=resource_arn, Tags=tags.make(endpoint, expires))


def remove(
    sagemaker: Any,
    name: str,
    configs: Sequence[str],
    progress: waiting.Progress = waiting.silent,
) -> None:
    """Delete an endpoint, wait until it is gone, and delete its parts.

    Args:
        sagemaker: boto3's client of that name.
        name: The endpoint's name.
        configs: Its configurations; their models go with them.
        progress: Takes one line for each thing that is gone.
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
    """Delete parts of an endpoint, except those it uses now.

    What has no tag of this endpoint is not ours to delete, whoever refers to it.

    Args:
        sagemaker: boto3's client of that name.
        name: The endpoint's name; there may be none.
        configs: Configurations; their models are parts, too.
        models: Further models.
        progress: Takes one line for each thing that is gone.
    """
    described = waiting.describe(sagemaker, name)
    used = described["EndpointConfigName"] if described else ""
    used_models = models_of(sagemaker, used) if used else []
    configs = [config for config in dict.fromkeys(configs) if config != used]
    parts = [model for config in configs for model in models_of(sagemaker, config)]
    parts = [model for model in dict.fromkeys([*models, *parts]) if model not in used_models]
    for kind, thing in [*((CONFIG, one) for one in configs), *((MODEL, one) for one in parts)]:
        found = describe(sagemaker, kind, thing)
        if found is None:
            continue
        owner = find_ownership(sagemaker, arn(kind, found))
        if owner is not None and owner.endpoint == name:
            delete(sagemaker, kind, thing)
            progress(f"deleted {kind} {thing}")
