"""XGBoost's own files, as `save_model` writes them.

The answer is that of `Booster.predict`, as in AWS's container: for `binary:logistic` the
probability of class 1, for `multi:softprob` one for each class, for `multi:softmax` the class.
A categorical feature takes the category itself, a text or a number, where the file has them (from
XGBoost 3.1 on, fitted on a DataFrame), else the number that it was fitted on. What is missing,
`null`, is missing to XGBoost as well.

Source: XGBoost's Python API, `Booster`.
"""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from byoi import errors
from byoi.formats.elements import Array
from byoi.formats.signature import Signature
from byoi.models import model
from byoi.models.categories import Categories

_CATEGORICAL = "c"


class XgboostModel:
    """One booster.

    Args:
        path: Of its file, for messages.
        booster: An `xgboost.Booster`.

    Attributes:
        signature: An input for each named feature, else one of all features, float32.
        BYOI_THREADS: One prediction at a time: XGBoost has threads of its own.
    """

    BYOI_THREADS = 1

    def __init__(self, path: Path, booster: Any) -> None:
        self._xgboost = model.library(path, "xgboost")
        self._booster = booster
        booster.set_param({"nthread": model.threads()})
        self._rounds = _rounds(booster)
        self._categories = Categories(_categories(path, booster))
        self._inputs = self._categories.typed(
            model.table(booster.feature_names or [], booster.num_features(), "float32")
        )
        samples = self._categories.samples()
        self.signature = Signature(self._inputs, model.outputs(self.predict, self._inputs, samples))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load a file.

        Raises:
            ConfigurationError: XGBoost is not installed.
            ModelDataError: The file cannot be loaded.
        """
        xgboost = model.library(path, "xgboost")
        try:
            booster = xgboost.Booster(model_file=path)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise model.unreadable(path, error) from error
        return cls(path, booster)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model, as described in `Model`."""
        stacked = model.stacked(self._categories.numbered(inputs), self._inputs)
        try:
            rows = self._xgboost.DMatrix(  # refuses infinity
                stacked,
                feature_names=self._booster.feature_names,
                feature_types=self._booster.feature_types,
                enable_categorical=True,
                nthread=model.threads(),
            )
            prediction = self._booster.predict(rows, iteration_range=self._rounds)
        except self._xgboost.core.XGBoostError as error:
            raise model.refused(error) from error
        return {model.PREDICTION: np.asarray(prediction)}


def _rounds(booster: Any) -> tuple[int, int]:
    """Return the trees to use, (0, 0) for all.

    A classifier or regressor that stopped early predicts with the trees up to its best, and a
    bare booster with all of them; both write the number of the best.
    """
    attributes = booster.attributes()
    if "best_iteration" in attributes and "scikit_learn" in attributes:
        return 0, json.loads(attributes["best_iteration"]) + 1
    return 0, 0


def _categories(path: Path, booster: Any) -> dict[str, list[Any]]:
    """Return the categories of each feature that the file has them of."""
    if not booster.feature_names or _CATEGORICAL not in (booster.feature_types or []):
        return {}
    # The only way to them without pyarrow; it reads the whole model.
    content = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = content.get("gbtree", content).get("model", {})
    columns = trees.get("cats", {}).get("enc", [])
    return {
        name: found
        for name, encoded in zip(booster.feature_names, columns, strict=False)
        if (found := _decoded(path, name, encoded))
    }


def _decoded(path: Path, name: str, encoded: Mapping[str, Any]) -> list[Any]:
    """Return the categories of one feature: numbers as they are, texts from their bytes."""
    values, offsets = encoded["values"], encoded.get("offsets")
    if offsets is None:
        return list(values)
    try:
        # XGBoost 3.2 counts characters where it means bytes, so that only ASCII is whole.
        text = bytes(values).decode("ascii")
    except ValueError as error:
        raise errors.ConfigurationError(
            f"{path.name}: XGBoost has cut the categories of {name!r}, of which one is not ASCII; "
            "rename it before training, or add code/inference.py"
        ) from error
    return [text[start:end] for start, end in itertools.pairwise(offsets)]
