"""What the loaded model takes and gives, as the page and its OpenAPI document say it."""

from dataclasses import dataclass
from typing import Any, Self

from byoi.formats import content_types
from byoi.formats.signature import Signature, Tensor


@dataclass(frozen=True)
class Description:
    """What one model takes and gives.

    Attributes:
        module: The name of the inference module.
        functions: Those that it defines.
        request_types: Media types of requests; none where the module reads bodies itself.
        response_types: Media types of responses; none where the module writes them itself.
        signature: Of the model, where it has one.
    """

    module: str
    functions: tuple[str, ...]
    request_types: tuple[str, ...]
    response_types: tuple[str, ...]
    signature: Signature | None

    @classmethod
    def of(cls, name: str, functions: tuple[str, ...], model: Any) -> Self:
        """Describe a loaded model."""
        from byoi.formats import numbers  # noqa: PLC0415 - NumPy, only where it is used

        signature = getattr(model, "signature", None)
        transforms = "transform_fn" in functions
        return cls(
            name,
            functions,
            () if transforms or "input_fn" in functions else numbers.REQUEST_TYPES,
            () if transforms or "output_fn" in functions else content_types.RESPONSE_TYPES,
            signature if isinstance(signature, Signature) else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the page shows."""
        return {
            "module": self.module,
            "functions": self.functions,
            "request_types": self.request_types,
            "response_types": self.response_types,
            "signature": self.signature
            and {
                "inputs": [_to_json(one) for one in self.signature.inputs],
                "outputs": [_to_json(one) for one in self.signature.outputs],
            },
        }


def _to_json(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape}
