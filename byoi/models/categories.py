"""The categories of columns: what a client sends, and the numbers that a booster knows them by.

A category is a text or a number, as it stood in the DataFrame that the model was fitted on. One
that the model does not know is refused; a booster would take it for missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from byoi import errors
from byoi.formats import elements
from byoi.formats.elements import Array
from byoi.formats.signature import Tensor

_SHOWN = 10


class Categories:
    """The categories of some columns.

    Args:
        columns: By the name of a column, its categories in the order of their numbers.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._numbers = {
            name: {category: number for number, category in enumerate(categories)}
            for name, categories in columns.items()
        }

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def typed(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the inputs with the type `object` where a category is a text."""
        return tuple(
            Tensor(one.name, "object", one.shape)
            if any(isinstance(known, str) for known in self._numbers.get(one.name, ()))
            else one
            for one in tensors
        )

    def samples(self) -> dict[str, Any]:
        """Return a category of each column."""
        return {name: next(iter(known)) for name, known in self._numbers.items() if known}

    def numbered(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the inputs with numbers in the place of categories, NaN where one is missing.

        Raises:
            MalformedBody: A category is not known.
        """
        return {
            name: self._of_column(name, array) if name in self._numbers else array
            for name, array in inputs.items()
        }

    def _of_column(self, name: str, array: Array) -> Array:
        known = self._numbers[name]
        numbers = np.empty(len(array))
        for row, value in enumerate(array.tolist()):
            is_missing = value is None or value != value  # noqa: PLR0124 - NaN
            if not is_missing and value not in known:
                shown = ", ".join(map(repr, list(known)[:_SHOWN]))
                raise errors.MalformedBody(
                    f"input {name!r}, row {row + 1}: received {elements.described(value)}, "
                    f"expected one of the {len(known)} categories {shown}"
                    f"{', ...' * (len(known) > _SHOWN)}"
                )
            numbers[row] = np.nan if is_missing else known[value]
        return numbers
