"""Endpoints, configurations and models as SageMaker shows them, and whose they are.

Sources: API ListTags, AddTags, DescribeModel, DescribeEndpointConfig.
"""

import datetime as dt
from typing import Any

from botocore.exceptions import ClientError

from byoi_lib.deployment import tags, waiting

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


def find(sagemaker: Any, resource_arn: str) -> tags.Ownership | None:
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
