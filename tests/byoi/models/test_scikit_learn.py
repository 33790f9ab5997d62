"""scikit-learn's models through skops and, where it is allowed, through a pickle."""

import functools
import pickle
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from asking import answer, load_refusal, refusal, tensors
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from byoi import errors, models

NUMBERS = np.random.default_rng(0).random((30, 3))
NAMES = np.array(["setosa", "virginica", "versicolor"] * 10)
PEOPLE = pd.DataFrame({"age": [1.0, 2, 3, 4], "sex": ["m", "f", "m", "f"]})


def skopsed(folder, estimator):
    skops.io.dump(estimator, folder / "model.skops")
    return models.load(folder)


@functools.cache
def table_pipeline():
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]), (OneHotEncoder(), ["sex"])
    )
    return make_pipeline(encoder, LogisticRegression()).fit(PEOPLE, ["a", "b", "a", "b"])


def test_classes_come_as_they_were_trained(tmp_path):
    model = skopsed(tmp_path, LogisticRegression().fit(NUMBERS, NAMES))
    assert tensors(model.signature.inputs) == [("rows", "float64", (None, 3))]
    assert tensors(model.signature.outputs) == [("prediction", "str", (None,))]
    expected = LogisticRegression().fit(NUMBERS, NAMES).predict(NUMBERS[:4]).tolist()
    assert answer(model, NUMBERS[:4].tolist()) == expected
    assert answer(model, "1,2,3", "text/csv", "text/csv") in NAMES
    assert "row 1: received 2 columns, expected 3" in refusal(model, "1,2", "text/csv")


def test_several_targets_make_a_row_each(tmp_path):
    model = skopsed(tmp_path, LinearRegression().fit(NUMBERS, NUMBERS[:, :2]))
    assert tensors(model.signature.outputs) == [("prediction", "float64", (None, 2))]
    (row,) = answer(model, [[0.25, 0.5, 0.75]])
    assert row == pytest.approx([0.25, 0.5])


def test_a_missing_number_is_refused_by_a_model_that_has_no_place_for_it(tmp_path):
    message = refusal(skopsed(tmp_path, LinearRegression().fit(NUMBERS, NAMES == "setosa")),
                      [[1, None, 2]])  # fmt: skip
    assert message.startswith("the model refuses these values: Input X contains NaN.")


def test_a_table_takes_its_columns_by_name_texts_among_them(tmp_path, monkeypatch):
    monkeypatch.setenv("BYOI_TRUSTED_TYPES", "numpy.dtype")
    model = skopsed(tmp_path, table_pipeline())
    assert tensors(model.signature.inputs) == [
        ("age", "float64", (None,)),
        ("sex", "object", (None,)),
    ]
    assert tensors(model.signature.outputs) == [("prediction", "str", (None,))]
    assert answer(model, [{"sex": "f", "age": 2}, {"sex": "m", "age": None}]) == ["b", "a"]
    assert answer(model, "2,f\n3,m", "text/csv") == {"predictions": ["b", "a"]}
    assert "Found unknown categories ['x'] in column 0" in refusal(model, [{"age": 1, "sex": "x"}])
    assert "input 'age', row 1: received 'old', a text" in refusal(model, [["old", "f"]])


def test_a_vectorizer_takes_a_text_a_row(tmp_path):
    texts = ["good film", "bad film", "good", "bad"]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    model = skopsed(tmp_path, pipeline)
    assert tensors(model.signature.inputs) == [("text", "str", (None,))]
    assert answer(model, {"instances": ["a good one", "bad"]}) == {"predictions": [1, 0]}
    assert "input 'text', row 1: received 1, a number, expected a text" in refusal(model, [1])


def test_types_that_skops_does_not_trust_are_refused_by_name(tmp_path):
    skops.io.dump(table_pipeline(), tmp_path / "model.skops")
    message = load_refusal(tmp_path)
    assert "model.skops holds types that skops does not trust: numpy.dtype" in message
    assert "BYOI_TRUSTED_TYPES=numpy.dtype" in message


class Witness:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("value", ["", "0", "true"])
def test_a_pickle_is_not_opened_unasked(tmp_path, monkeypatch, value):
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", value)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Witness(tmp_path / "ran")))
    message = load_refusal(tmp_path)
    assert "model.pkl is a pickle, and loading one runs whatever its writer put into it" in message
    assert "skops.io.dump(model, 'model.skops')" in message
    assert "set BYOI_ALLOW_PICKLE=1" in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("dump", [joblib.dump, lambda model, path: path.write_bytes(
    pickle.dumps(model))])  # fmt: skip
def test_a_pickle_is_served_where_that_is_allowed(tmp_path, monkeypatch, dump):
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", "1")
    dump(LogisticRegression().fit(NUMBERS, NAMES), tmp_path / "model.joblib")
    assert answer(models.load(tmp_path), [[1, 2, 3]])[0] in NAMES


@pytest.mark.parametrize(
    "booster",
    [
        lambda: xgboost.XGBRegressor(n_estimators=2).fit(NUMBERS, NUMBERS[:, 0]).get_booster(),
        lambda: (
            lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(NUMBERS, NUMBERS[:, 0]).booster_
        ),
    ],
)
def test_a_pickled_booster_is_served_as_its_own_file_would_be(tmp_path, monkeypatch, booster):
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", "1")
    joblib.dump(booster(), tmp_path / "model.joblib")
    model = models.load(tmp_path)
    assert model.signature.inputs[0].shape == (None, 3)
    assert isinstance(answer(model, [[1, 2, 3]])[0], float)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"no pickle", errors.ModelDataError, "model.pkl: cannot be loaded (KeyError"),
        (pickle.dumps({"a": 1}), errors.ConfigurationError, "holds a dict, which has no method"),
        (
            b"cno_such_package.models\nModel\n.",
            errors.ConfigurationError,
            "needs the Python module no_such_package, which is not installed here",
        ),
    ],
)
def test_a_pickle_without_a_model_is_named(tmp_path, monkeypatch, content, kind, words):
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", "1")
    (tmp_path / "model.pkl").write_bytes(content)
    assert words in load_refusal(tmp_path, kind)
