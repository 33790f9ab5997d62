"""The signature of a model: the names, types and shapes of what it takes and gives.

The words are those of TensorFlow's and MLflow's model signatures.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """One input or output of a model.

    Attributes:
        name: As the model's file has it.
        dtype: NumPy's name of the type, for example `float32`; `str` for texts,
            `object` for texts or numbers.
        shape: Sizes of the axes, the batch first; None where a size may vary.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives; each in the order of the model's file."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
