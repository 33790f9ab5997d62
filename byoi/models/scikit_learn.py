"""scikit-learn's models, and what has its methods: from skops, or from a pickle where allowed.

The answer is that of `predict`: classes as they were trained, texts among them, or numbers.

A model that was fitted on a DataFrame takes an input for each column, by its name, and gets a
DataFrame where pandas is installed. Columns that a ColumnTransformer encodes as categories are
texts, the others numbers. A model without columns, a pipeline that begins with a vectorizer, takes
one text a row.

Sources: scikit-learn's developer guide (n_features_in_, feature_names_in_, input tags); skops'
documentation of persistence.
"""

import importlib.util
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from byoi import errors
from byoi.formats.elements import Array
from byoi.formats.signature import Signature, Tensor
from byoi.models import model

TRUSTED_VARIABLE = "BYOI_TRUSTED_TYPES"
_TEXT = "text"


class ScikitLearnModel:
    """One estimator or pipeline.

    Args:
        path: Of its file, for messages.
        estimator: Has a method `predict`.

    Attributes:
        signature: What was fitted; the width is open where the estimator does not say it.
        BYOI_THREADS: One prediction at a time: an estimator may keep something.

    Raises:
        ConfigurationError: There is no `predict`, or it needs a DataFrame and pandas is missing.
    """

    BYOI_THREADS = 1

    def __init__(self, path: Path, estimator: Any) -> None:
        if not callable(getattr(estimator, "predict", None)):
            raise errors.ConfigurationError(
                f"{path.name} holds a {type(estimator).__name__}, which has no method predict; "
                "save a model that predicts, or add code/inference.py"
            )
        self._estimator = estimator
        names = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
        width = getattr(estimator, "n_features_in_", None)
        categories = _categories(estimator, names)
        inputs = tuple(
            Tensor(one.name, _dtype(categories[one.name]), one.shape)
            if one.name in categories
            else one
            for one in model.table(names, width, "float64")
        )
        if not names and width is None and _takes_texts(estimator):
            inputs = (Tensor(_TEXT, "str", (None,)),)
        self._inputs = inputs
        self._pandas = None
        if names and (categories or importlib.util.find_spec("pandas")):
            self._pandas = model.library(path, "pandas")
        samples = {name: values[0] for name, values in categories.items() if len(values)}
        self.signature = Signature(inputs, self._outputs(samples))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load a file of skops.

        Raises:
            ConfigurationError: A library is not installed, or the file holds types that neither
                skops nor `BYOI_TRUSTED_TYPES` trusts.
            ModelDataError: The file cannot be loaded.
        """
        model.library(path, "sklearn", package="scikit-learn")
        skops = model.library(path, "skops.io", package="skops")
        named = [one.strip() for one in os.environ.get(TRUSTED_VARIABLE, "").split(",")]
        try:
            untrusted = sorted(set(skops.get_untrusted_types(file=path)) - set(named))
            if not untrusted:
                return cls(path, skops.load(path, trusted=[one for one in named if one]))
        except errors.ByoiError:
            raise
        except Exception as error:  # a damaged archive fails in many ways
            raise model.unreadable(path, error) from error
        raise errors.ConfigurationError(
            f"{path.name} holds types that skops does not trust: {', '.join(untrusted)}; loading "
            f"one may run its code. Where you know them: {TRUSTED_VARIABLE}={','.join(untrusted)}"
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model, as described in `Model`."""
        if self._pandas is not None:
            rows: Any = self._pandas.DataFrame({one.name: inputs[one.name] for one in self._inputs})
        elif len(self._inputs) == 1:
            rows = inputs[self._inputs[0].name]
        else:
            rows = model.stacked(inputs, self._inputs)
        try:
            with warnings.catch_warnings():
                # Said where there are names and no pandas; the columns are in their order.
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                prediction = self._estimator.predict(rows)
        except ValueError as error:
            if type(error).__name__ == "NotFittedError":  # of sklearn.exceptions, a ValueError
                raise errors.ModelDataError(f"the model was not trained: {error}") from error
            # Shapes and types fit; what is left is NaN, a category, a sign.
            raise model.refused(error) from error
        if hasattr(prediction, "toarray"):  # a sparse matrix
            prediction = prediction.toarray()
        return {model.PREDICTION: np.asarray(prediction)}

    def _outputs(self, samples: Mapping[str, Any]) -> tuple[Tensor, ...]:
        try:
            return model.outputs(self.predict, self._inputs, samples)
        except errors.MalformedBody:  # it takes no row of zeros
            classes = getattr(self._estimator, "classes_", None)
            dtype = model.dtype_name(classes) if isinstance(classes, np.ndarray) else "float64"
            return (Tensor(model.PREDICTION, dtype, (None,)),)


def _dtype(categories: Array) -> str:
    return "object" if categories.dtype.kind in "OUT" else "float64"


def _takes_texts(estimator: Any) -> bool:
    """Whether the first step takes texts, as a vectorizer does."""
    for first in _steps(estimator):
        if not hasattr(first, "__sklearn_tags__"):
            return False
        tags = first.__sklearn_tags__().input_tags
        return bool(tags.string and not tags.two_d_array)
    return False


def _steps(estimator: Any) -> Iterator[Any]:
    """Yield the steps of a pipeline, or the estimator itself."""
    for step in [one for _, one in getattr(estimator, "steps", [("", estimator)])]:
        if hasattr(step, "steps"):
            yield from _steps(step)
        elif step not in {"passthrough", None}:
            yield step


def _categories(estimator: Any, names: list[str]) -> dict[str, Array]:
    """Return the known categories of each column that an encoder in front of the model has."""
    found: dict[str, Array] = {}
    first = next(_steps(estimator), None)
    parts = getattr(first, "transformers_", [("", first, names)])
    for _, transformer, columns in parts:
        if isinstance(transformer, str):  # drop, passthrough
            continue
        chosen = np.array(names)[columns] if _is_by_place(columns) else columns
        chosen = [chosen] if isinstance(chosen, str) else list(chosen)
        for step in _steps(transformer):
            known = getattr(step, "categories_", [])
            if len(known) == len(chosen):
                found |= dict(zip(chosen, known, strict=True))
    return found


def _is_by_place(columns: Any) -> bool:
    """Whether columns are numbers, a slice or a mask, and not names."""
    return isinstance(columns, slice) or not all(
        isinstance(one, str) for one in np.atleast_1d(columns)
    )
