"""An endpoint in local mode, by the SDK's own `Model.deploy`."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi_lib.deployment import names
from byoi_lib.hosting import removal


def make(  # noqa: PLR0913 - keywords, one caller
    image_uri: str,
    model_data: Path | str | None,
    *,
    session: Any,
    role: str,
    instance_type: str,
    environment: Mapping[str, str],
) -> Predictor:
    """Create an endpoint; where that fails, nothing of it stays.

    Arguments and errors are those of `Endpoint.deploy`.
    """
    model = Model(
        image_uri=image_uri,
        model_data=_location(model_data),
        role=role,
        env=dict(environment),
        predictor_cls=Predictor,
        # The SDK would make one of the image's name, with the @ of a digest in it.
        name=names.derive("model", secrets.token_hex()),
        sagemaker_session=session,
    )
    endpoint = names.derive("endpoint", secrets.token_hex())
    try:
        return model.deploy(
            initial_instance_count=1,
            instance_type=instance_type,
            endpoint_name=endpoint,
            wait=False,
        )
    except BaseException:
        # The SDK gives the configuration the endpoint's name.
        removal.delete(session, endpoint, endpoint, [str(model.name)])
        raise


def _location(model_data: Path | str | None) -> str | None:
    """Return the URI that the SDK is given."""
    if model_data is None or (isinstance(model_data, str) and "://" in model_data):
        return model_data
    return f"file://{Path(model_data).absolute()}"
