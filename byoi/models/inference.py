"""The inference module of model data without a script: one model file, served as it is.

What the model takes and gives stands in its file, and every request is checked against that.
"""

from pathlib import Path

from byoi.formats import tensor_encoder, tensors
from byoi.formats.tensors import Tensors
from byoi.models import loading
from byoi.models.model import Model


def model_fn(model_dir: str) -> Model:
    """Load the one model of a directory; errors as in `loading.load`."""
    return loading.load(Path(model_dir))


def transform_fn(
    model: Model, input_data: bytes | str, content_type: str, accept: str
) -> tuple[bytes | str, str]:
    """Answer one request; errors as in `tensors.decode`, `Model.predict`, `tensor_encoder.encode`.

    In one function, since decoding needs the model's signature.
    """
    inputs = tensors.decode(input_data, content_type, model.signature)
    outputs = model.predict(inputs.arrays)
    return tensor_encoder.encode(Tensors(outputs, inputs.form), accept)
