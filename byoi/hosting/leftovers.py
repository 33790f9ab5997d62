"""What a deployment of the SDK's leaves behind when it fails after its first step.

`Model.deploy` registers a model, then an endpoint configuration, then makes an endpoint, and
leaves what it has made when the next step fails; `Predictor.update_endpoint` likewise. Source:
sagemaker 2.257, session.py, `endpoint_from_production_variants` and `update_endpoint`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import sagemaker
from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment import resources
from byoi.deployment.resources import CONFIG, ENDPOINT, MODEL


class TellingSession(sagemaker.Session):  # type: ignore[misc] # the SDK ships no types
    """A `sagemaker.Session` whose errors name what a deployment has left.

    Attributes:
        is_cleaned_up: Whether whoever deploys removes that by itself, see `cleaned_up`.
    """

    is_cleaned_up = False
    _is_config_made = False

    def endpoint_from_production_variants(
        self, name: str, production_variants: list[dict[str, Any]], *others: Any, **settings: Any
    ) -> str:
        """Create a configuration and an endpoint as the SDK does.

        If the endpoint is refused, its configuration goes again, so that the same name can be
        tried again; an endpoint that has failed is left to be looked at. Whatever stays is named
        at the end of the error: the SDK has registered the models before.
        """
        self._is_config_made = False
        try:
            return str(
                super().endpoint_from_production_variants(
                    name, production_variants, *others, **settings
                )
            )
        except Exception as error:
            if not self.is_cleaned_up:
                models = [one["ModelName"] for one in production_variants if "ModelName" in one]
                _tell(error, self._leftovers(name, models))
            raise

    def create_endpoint(self, *arguments: Any, **settings: Any) -> str:
        """Create an endpoint as the SDK does."""
        self._is_config_made = True
        return str(super().create_endpoint(*arguments, **settings))

    def update_endpoint(
        self, endpoint_name: str, endpoint_config_name: str, *others: Any, **settings: Any
    ) -> str:
        """Update an endpoint as the SDK does; an error names the configuration made for it."""
        try:
            return str(
                super().update_endpoint(endpoint_name, endpoint_config_name, *others, **settings)
            )
        except Exception as error:
            _tell(error, _existing(self.sagemaker_client, [(CONFIG, endpoint_config_name)]))
            raise

    def _leftovers(self, name: str, models: list[str]) -> list[str]:
        client = self.sagemaker_client
        with contextlib.suppress(ClientError, BotoCoreError):
            endpoint = resources.describe(client, ENDPOINT, name)
            # The SDK gives the configuration the endpoint's name.
            is_used = endpoint is not None and endpoint["EndpointConfigName"] == name
            if self._is_config_made and not is_used:
                resources.delete(client, CONFIG, name)
        parts = [(ENDPOINT, name), (CONFIG, name), *((MODEL, one) for one in models)]
        return _existing(client, parts)


@contextlib.contextmanager
def cleaned_up(session: Any) -> Iterator[None]:
    """Let errors of a session not name what is left, because the caller removes it.

    Args:
        session: Any of the SDK's.
    """
    session.is_cleaned_up = True
    try:
        yield
    finally:
        session.is_cleaned_up = False


def _existing(client: Any, parts: list[tuple[str, str]]) -> list[str]:
    """Return which of these resources exist; what cannot be asked is taken to."""
    found = []
    for kind, name in parts:
        try:
            exists = resources.describe(client, kind, name) is not None
        except (ClientError, BotoCoreError):
            exists = True
        if exists:
            found.append(f"{kind} {name}")
    return found


def _tell(error: Exception, left: list[str]) -> None:
    """Add to an error's message what its call has left."""
    if left and error.args and isinstance(error.args[0], str):
        told = error.args[0]
        # A log at the end of a message is lines of its own.
        joint = "\n" if "\n" in told else " "
        error.args = (f"{told}{joint}(Still there: {', '.join(left)}.)", *error.args[1:])
