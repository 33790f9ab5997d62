"""LightGBM's own files, as `save_model` writes them.

The answer is that of `Booster.predict`: for a binary classifier the probability of class 1, for
several classes one for each. A column that was categorical in pandas takes the category itself, a
text or a number; one that was said to be categorical takes the number that it was fitted on.

Source: LightGBM's Python API, `Booster`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from byoi import errors
from byoi.formats.elements import Array
from byoi.formats.signature import Signature
from byoi.models import model
from byoi.models.categories import Categories

_NAME_OF_UNNAMED = "Column_{}"


class LightgbmModel:
    """One booster.

    Args:
        path: Of its file, for messages.
        booster: A `lightgbm.Booster`.

    Attributes:
        signature: An input for each named feature, else one of all features, float64.
        BYOI_THREADS: One prediction at a time: LightGBM has threads of its own.
    """

    BYOI_THREADS = 1

    def __init__(self, path: Path, booster: Any) -> None:
        self._booster = booster
        names = booster.feature_name()
        self._categories = _categories(path, booster, names)
        is_unnamed = names == [_NAME_OF_UNNAMED.format(n) for n in range(len(names))]
        self._inputs = self._categories.typed(
            model.table([] if is_unnamed else names, len(names), "float64")
        )
        samples = self._categories.samples()
        self.signature = Signature(self._inputs, model.outputs(self.predict, self._inputs, samples))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load a file.

        Raises:
            ConfigurationError: LightGBM is not installed.
            ModelDataError: The file cannot be loaded.
        """
        lightgbm = model.library(path, "lightgbm")
        try:
            booster = lightgbm.Booster(model_file=path)
        except (lightgbm.basic.LightGBMError, ValueError, KeyError) as error:
            raise model.unreadable(path, error) from error
        return cls(path, booster)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model, as described in `Model`."""
        rows = model.stacked(self._categories.numbered(inputs), self._inputs)
        prediction = self._booster.predict(rows, num_threads=model.threads())
        return {model.PREDICTION: np.asarray(prediction)}


def _categories(path: Path, booster: Any, names: list[str]) -> Categories:
    """Return the categories that pandas had."""
    known = booster.pandas_categorical or []
    columns = booster.params.get("categorical_feature") or []
    if known and len(columns) != len(known):
        raise errors.ConfigurationError(
            f"{path.name}: expected categories for each of the {len(columns)} categorical columns, "
            f"found them for {len(known)}, so they cannot be assigned; add code/inference.py"
        )
    # Without pandas, the columns have the numbers that they were fitted on.
    return Categories({names[column]: one for column, one in zip(columns, known, strict=False)})
