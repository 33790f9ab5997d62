"""Deleting what the SDK, or `byoi_lib.deployment`, made of an endpoint."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi_lib import errors
from byoi_lib.deployment import waiting


def delete(session: Any, endpoint: str, config: str, models: list[str]) -> None:
    """Delete an endpoint, wait until it is gone, and delete what it was made of.

    Each is attempted whatever became of the others, and what is gone already is fine.

    Raises:
        HostingError: Something could not be deleted; the message names it.
    """
    client = session.sagemaker_client
    failures = []
    steps: list[tuple[Callable[..., Any], dict[str, str]]] = [
        (client.delete_endpoint, {"EndpointName": endpoint}),
        (client.delete_endpoint_config, {"EndpointConfigName": config}),
        *((client.delete_model, {"ModelName": name}) for name in models),
    ]
    for step, parameters in steps:
        try:
            if is_done(step, **parameters) and step == client.delete_endpoint:
                waiting.wait(client, endpoint)
        except (ClientError, BotoCoreError, OSError, errors.ByoiError) as error:
            failures.append(f"{', '.join(parameters.values())}: {error}")
    if failures:
        raise errors.HostingError(
            "not everything could be deleted; call delete() again, or delete by hand: "
            + "; ".join(failures)
        )


def is_done(call: Callable[..., Any], **parameters: str) -> bool:
    """Make a call on something by its name; False where AWS says there is no such thing."""
    try:
        call(**parameters)
    except ClientError as error:
        if waiting.is_absent(error):
            return False
        raise
    return True
