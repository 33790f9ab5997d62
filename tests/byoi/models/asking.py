"""One request to a model file, as the server would make it, in this process."""

import json

import pytest

from byoi import errors, models
from byoi.models import inference


def answer(model, body, content_type="application/json", accept="application/json"):
    body = body if isinstance(body, str | bytes) else json.dumps(body)
    given, _ = inference.transform_fn(model, body, content_type, accept)
    return json.loads(given) if accept == "application/json" else given


def refusal(model, body, content_type="application/json"):
    with pytest.raises(errors.MalformedBody) as caught:
        answer(model, body, content_type)
    return str(caught.value)


def load_refusal(model_dir, kind=errors.ConfigurationError):
    with pytest.raises(kind) as caught:
        models.load(model_dir)
    message = str(caught.value)
    assert "\n" not in message
    return message


def tensors(group):
    """Return the inputs or outputs of a signature as plain tuples."""
    return [(one.name, one.dtype, one.shape) for one in group]
