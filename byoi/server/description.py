"""The inputs and outputs of the loaded model, for the page and its OpenAPI document."""

from dataclasses import dataclass
from typing import Any, Self

from byoi.formats import content_types
from byoi.formats.signature import Signature, Tensor
from byoi.server import schemas
from byoi.server.locations import MODELS_MODULE
from byoi.server.settings import Settings


@dataclass(frozen=True)
class Description:
    """The inputs and outputs of one model.

    Attributes:
        name: The inference module; without a script, the model directory.
        functions: Names of the functions that the module defines; empty without a script.
        request_types: Media types of requests; empty if the module decodes bodies itself.
        response_types: Media types of responses; empty if the module encodes them itself.
        signature: The signature of the model, None without one.
    """

    name: str
    functions: tuple[str, ...]
    request_types: tuple[str, ...]
    response_types: tuple[str, ...]
    signature: Signature | None

    @classmethod
    def of(cls, settings: Settings, functions: tuple[str, ...], model: Any) -> Self:
        """Describe a loaded model.

        Args:
            settings: Have the names of the module and the model directory.
            functions: Names of the functions that the module defines.
            model: The result of `model_fn`.
        """
        from byoi.formats import numbers  # noqa: PLC0415 - NumPy, only where it is used

        has_script = settings.module() != MODELS_MODULE
        own = functions if has_script else ()
        signature = _signature(model)
        reads, writes = (
            {name, "transform_fn"}.isdisjoint(own) for name in ("input_fn", "output_fn")
        )
        return cls(
            settings.module() if has_script else str(settings.model_directory()),
            own,
            numbers.REQUEST_TYPES if reads else (),
            content_types.RESPONSE_TYPES if writes else (),
            signature if isinstance(signature, Signature) else None,
        )

    def example(self) -> Any:
        """Return a JSON body that the model accepts, None if none is known."""
        if self.signature is None or not self.request_types:
            return None
        return schemas.example(self.signature)

    def to_json(self) -> dict[str, Any]:
        """Return the description as the page shows it."""
        return {
            "name": self.name,
            "functions": self.functions,
            "request_types": self.request_types,
            "response_types": self.response_types,
            "example": self.example(),
            "signature": self.signature
            and {
                "inputs": [_to_json(one) for one in self.signature.inputs],
                "outputs": [_to_json(one) for one in self.signature.outputs],
            },
        }


def _to_json(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape}


def _signature(model: Any) -> Any:
    """Return the attribute `signature` of a model, None without it."""
    try:
        return getattr(model, "signature", None)
    except Exception:  # noqa: BLE001 - some objects compute attributes, which may raise anything
        return None
