"""What the loaded model takes and gives, as the page and its OpenAPI document say it."""

from dataclasses import dataclass
from typing import Any, Self

from byoi.formats import content_types
from byoi.formats.signature import Signature, Tensor
from byoi.server import schemas
from byoi.server.locations import MODELS_MODULE
from byoi.server.settings import Settings


@dataclass(frozen=True)
class Description:
    """What one model takes and gives.

    Attributes:
        name: The inference module; the model directory where there is no script.
        functions: Those that the module defines; none where there is no script.
        request_types: Media types of requests; none where the module reads bodies itself.
        response_types: Media types of responses; none where the module writes them itself.
        signature: Of the model, where it has one.
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
            settings: Name the module and the model directory.
            functions: Those that the module defines.
            model: What `model_fn` returned.
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
        """Return a JSON body that the model takes, None where none is known."""
        if self.signature is None or not self.request_types:
            return None
        return schemas.example(self.signature)

    def to_json(self) -> dict[str, Any]:
        """Return what the page shows."""
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
    """Return the attribute `signature`, None where asking for it fails."""
    try:
        return getattr(model, "signature", None)
    except Exception:  # noqa: BLE001 - some objects make an attribute of any name
        return None
