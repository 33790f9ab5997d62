"""scikit-learn's models, and what has its methods: from skops, or from a pickle where allowed.

The answer is that of `predict`: classes as they were trained, texts among them, or numbers.

A model that was fitted on a DataFrame takes an input for each column, by its name, and gets a
DataFrame where pandas is installed. Columns that are encoded as categories, and those that a
vectorizer reads, are texts; a column that nothing reads takes anything; the others are numbers.
A model without columns, a pipeline that begins with a vectorizer, takes one text a row.

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
from byoi.formats import elements
from byoi.formats.elements import Array
from byoi.formats.signature import Signature, Tensor
from byoi.models import model

TRUSTED_VARIABLE = "BYOI_TRUSTED_TYPES"
_TEXT = "text"
# Where a search, a transformed target and boosting by histograms keep what reads the columns.
_INNER = ("best_estimator_", "regressor_", "_preprocessor")
# Steps of a pipeline after which the columns are others.
_MAKES_COLUMNS = ("transformers_", "transformer_list")


class ScikitLearnModel:
    """One estimator or pipeline.

    Args:
        path: Of its file, for messages.
        estimator: Has a method `predict`.

    Attributes:
        signature: What was fitted; the width is open where the estimator does not say it.
        BYOI_THREADS: One prediction at a time: an estimator may keep something.

    Raises:
        ConfigurationError: There is no `predict`, or it needs a DataFrame and pandas is missing, or
            what it takes cannot be told from it.
        ModelDataError: It was not trained.
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
        if names:
            _require_no_categories(path, estimator)
        # Columns without a name are known by their place.
        columns = names or [str(place) for place in range(width or 0)]
        uses = list(_uses(estimator, columns))
        categories = _categories(uses)
        has_texts = any(_takes_texts(reader) for reader, _ in uses)
        dtypes = _dtypes(uses, columns, categories)
        inputs = tuple(
            Tensor(one.name, dtypes.get(one.name, one.dtype), one.shape)
            for one in model.table(names, width, "float64")
        )
        samples = {name: values[0] for name, values in categories.items() if len(values)}
        if not names and width is None and has_texts:
            inputs = (Tensor(_TEXT, "str", (None,)),)
        elif not names and not set(dtypes.values()) <= {"float64"}:
            inputs = (Tensor(model.ROWS, "object", (None, width)),)
        if not names and samples:
            blank = {"str": "", "object": "", "float64": 0}
            row = [samples.get(one, blank[dtypes.get(one, "float64")]) for one in columns]
            samples = {model.ROWS: np.array(row, elements.dtype_of(inputs[0]))}
        self._inputs = inputs
        self._pandas = None
        if names and (dtypes or importlib.util.find_spec("pandas")):
            self._pandas = model.library(path, "pandas")
        self.signature = Signature(inputs, self._outputs(path, samples))

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
            # Of sklearn.exceptions, a ValueError; LightGBM's is derived from it.
            if any(one.__name__ == "NotFittedError" for one in type(error).__mro__):
                raise errors.ModelDataError(f"the model was not trained: {error}") from error
            # Shapes and types fit; what is left is NaN, a category, a sign.
            raise model.refused(error) from error
        if hasattr(prediction, "toarray"):  # a sparse matrix
            prediction = prediction.toarray()
        return {model.PREDICTION: np.asarray(prediction)}

    def _outputs(self, path: Path, samples: Mapping[str, Any]) -> tuple[Tensor, ...]:
        try:
            return model.outputs(self.predict, self._inputs, samples)
        except errors.MalformedBody:  # it takes no row of zeros
            classes = getattr(self._estimator, "classes_", None)
            dtype = model.dtype_name(classes) if isinstance(classes, np.ndarray) else "float64"
            return (Tensor(model.PREDICTION, dtype, (None,)),)
        except errors.ByoiError:
            raise
        except Exception as error:  # steps of any kind, which got another type than they take
            reason = " ".join(str(error).split())[:300]
            raise errors.ConfigurationError(
                f"{path.name}: what its columns are is not in the file, and it refuses what they "
                f"seem to be ({type(error).__name__}: {reason}); add code/inference.py, whose "
                "input_fn makes what the model takes"
            ) from error


def _dtype(categories: Array) -> str:
    return "object" if categories.dtype.kind in "OUT" else "float64"


def _takes_texts(reader: Any) -> bool:
    """Whether it takes texts in one dimension, as a vectorizer does."""
    if not hasattr(reader, "__sklearn_tags__"):
        return False
    tags = reader.__sklearn_tags__().input_tags
    return bool(tags.string and not tags.two_d_array)


def _uses(estimator: Any, columns: list[str]) -> Iterator[tuple[Any, list[str]]]:
    """Yield what reads the columns as they come, and which: transformers, or the model itself."""
    if estimator is None or (isinstance(estimator, str) and estimator == "drop"):
        return
    if hasattr(estimator, "steps"):
        for _, step in estimator.steps:
            yield from _uses(step, columns)
            if any(hasattr(step, one) for one in _MAKES_COLUMNS) or _takes_texts(step):
                return
    elif hasattr(estimator, "transformers_"):
        for _, transformer, chosen in estimator.transformers_:
            yield from _uses(transformer, _chosen(chosen, columns))
    elif parts := _parts(estimator):
        for part in parts:
            yield from _uses(part, columns)
    else:
        yield estimator, columns


def _parts(estimator: Any) -> list[Any]:
    """Return the fitted estimators inside another one that get its columns as they are."""
    for name in _INNER:
        if getattr(estimator, name, None) is not None:
            return [getattr(estimator, name)]
    if hasattr(estimator, "transformer_list"):
        return [one for _, one in estimator.transformer_list]
    inner = getattr(estimator, "estimators_", None)
    # Of a vote or a stack; a forest has no list of named ones.
    return list(inner) if isinstance(inner, list) and hasattr(estimator, "estimators") else []


def _chosen(chosen: Any, columns: list[str]) -> list[str]:
    """Return the names that a ColumnTransformer's names, places, slice or mask stand for."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        if not {type(chosen.start), type(chosen.stop)} & {str}:
            return columns[chosen]
        start = 0 if chosen.start is None else columns.index(chosen.start)
        # Of names, the last is taken as well.
        stop = len(columns) if chosen.stop is None else columns.index(chosen.stop) + 1
        return columns[start:stop]
    places = np.atleast_1d(np.asarray(chosen))
    if places.dtype.kind == "b":
        return [name for name, is_chosen in zip(columns, places, strict=False) if is_chosen]
    if places.dtype.kind in "iu":
        return [columns[place] for place in places.tolist() if place < len(columns)]
    return [str(name) for name in places.tolist()]


def _categories(uses: list[tuple[Any, list[str]]]) -> dict[str, Array]:
    """Return the known categories of each column that an encoder has."""
    found: dict[str, Array] = {}
    for reader, columns in uses:
        known = getattr(reader, "categories_", [])
        if len(known) == len(columns):
            found |= dict(zip(columns, known, strict=True))
    return found


def _dtypes(
    uses: list[tuple[Any, list[str]]], columns: list[str], categories: Mapping[str, Array]
) -> dict[str, str]:
    """Return the types of the columns that are told by what reads them."""
    read = {name for _, chosen in uses for name in chosen}
    dtypes = dict.fromkeys((one for one in columns if one not in read), "object")
    for reader, chosen in uses:
        # Of several columns, a step in between has made one text.
        if len(chosen) == 1 and _takes_texts(reader):
            dtypes[chosen[0]] = "str"
    for name, known in categories.items():
        dtypes[name] = _dtype(known)
    return dtypes


def _require_no_categories(path: Path, estimator: Any) -> None:
    """Raise for a booster of XGBoost or LightGBM that was fitted on pandas' categories."""
    library = type(estimator).__module__.partition(".")[0]
    if library == "xgboost" and hasattr(estimator, "get_booster"):
        has, way = "c" in (estimator.get_booster().feature_types or []), "save_model('model.ubj')"
    elif library == "lightgbm" and hasattr(estimator, "booster_"):
        has, way = bool(estimator.booster_.pandas_categorical), "booster_.save_model('model.txt')"
    else:
        return
    if has:
        raise errors.ConfigurationError(
            f"{path.name} holds a {type(estimator).__name__} with columns of categories, which are "
            f"served from its own file: write it with model.{way}, or add code/inference.py"
        )
