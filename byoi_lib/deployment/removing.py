"""Removing an endpoint and what it was made of, and nothing that is not ours by its tags."""

from collections.abc import Iterable, Sequence
from typing import Any

from byoi_lib.deployment import ownership, waiting
from byoi_lib.deployment.ownership import CONFIG, ENDPOINT, MODEL


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
    models = [model for config in configs for model in ownership.models_of(sagemaker, config)]
    if ownership.delete(sagemaker, ENDPOINT, name):
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
    used_models = ownership.models_of(sagemaker, used) if used else []
    configs = [config for config in dict.fromkeys(configs) if config != used]
    parts = [model for config in configs for model in ownership.models_of(sagemaker, config)]
    parts = [model for model in dict.fromkeys([*models, *parts]) if model not in used_models]
    for kind, thing in [*((CONFIG, one) for one in configs), *((MODEL, one) for one in parts)]:
        found = ownership.describe(sagemaker, kind, thing)
        if found is None:
            continue
        owner = ownership.find(sagemaker, ownership.arn(kind, found))
        if owner is not None and owner.endpoint == name:
            ownership.delete(sagemaker, kind, thing)
            progress(f"deleted {kind} {thing}")
