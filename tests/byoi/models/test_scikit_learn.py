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
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

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
    assert "model.pkl is a pickle, which can run any program when it is loaded" in message
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


FILMS = pd.DataFrame({"a": [1.0, 2, 3, 4] * 3, "note": ["good", "bad"] * 6, "id": ["x"] * 12})
LIKED = ["y", "n"] * 6


def pickled(folder, monkeypatch, estimator):
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", "1")
    joblib.dump(estimator, folder / "model.joblib")
    return models.load(folder)


def films(columns):
    return make_pipeline(columns, LogisticRegression())


def vectorized():
    return films(make_column_transformer((TfidfVectorizer(), "note"), (StandardScaler(), ["a"])))


def encoded():
    return films(make_column_transformer((OneHotEncoder(), ["note"]), (StandardScaler(), ["a"])))


@pytest.mark.parametrize(
    ("estimator", "note"),
    [
        (vectorized(), "str"),
        (encoded(), "object"),
        (GridSearchCV(vectorized(), {}, cv=2), "str"),
        (GridSearchCV(encoded(), {}, cv=2), "object"),
        (VotingClassifier([("one", encoded()), ("two", encoded())]), "object"),
        (films(make_union(encoded()[0], encoded()[0])), "object"),
        (films(make_column_transformer((encoded()[0], ["note", "a"]))), "object"),
    ],
)
def test_a_column_is_what_reads_it_however_deep_that_is(tmp_path, monkeypatch, estimator, note):
    model = pickled(tmp_path, monkeypatch, estimator.fit(FILMS, LIKED))
    assert [one.dtype for one in model.signature.inputs] == ["float64", note, "object"]
    rows = [{"a": 1, "note": "good", "id": 7}, {"a": 1, "note": "bad", "id": None}]
    assert answer(model, rows) == ["y", "n"]


def test_boosting_by_histograms_takes_the_text_of_a_category(tmp_path, monkeypatch):
    # It splits by a category from 10 rows of each on.
    table = pd.concat([FILMS[["a"]].assign(note=FILMS["note"].astype("category"))] * 5)
    classifier = HistGradientBoostingClassifier(max_iter=5).fit(table, LIKED * 5)
    assert classifier.predict(table[:2]).tolist() == ["y", "n"]
    model = pickled(tmp_path, monkeypatch, classifier)
    assert answer(model, [{"a": 1, "note": "good"}, {"a": 1, "note": "bad"}]) == ["y", "n"]


@pytest.mark.parametrize(
    "estimator",
    [
        GridSearchCV(films(TfidfVectorizer()), {}, cv=2),
        films(make_union(TfidfVectorizer(), HashingVectorizer())),
        VotingClassifier([("one", films(TfidfVectorizer()))]),
    ],
)
def test_texts_alone_are_taken_however_deep_the_vectorizer_is(tmp_path, monkeypatch, estimator):
    model = pickled(tmp_path, monkeypatch, estimator.fit(FILMS["note"].tolist(), LIKED))
    assert tensors(model.signature.inputs) == [("text", "str", (None,))]
    assert answer(model, ["good", "bad"]) == ["y", "n"]


def test_columns_without_names_are_known_by_their_place(tmp_path, monkeypatch):
    encoder = make_column_transformer((OneHotEncoder(), [1]), (StandardScaler(), [0]))
    model = pickled(tmp_path, monkeypatch, films(encoder).fit(FILMS.to_numpy(), LIKED))
    assert tensors(model.signature.inputs) == [("rows", "object", (None, 3))]
    assert answer(model, [[1, "good", "x"], [1, "bad", "x"]]) == ["y", "n"]


def lowered(table):
    return table.map(lambda one: len(one.lower()))


def test_columns_that_the_file_does_not_tell_need_a_script(tmp_path, monkeypatch):
    columns = make_column_transformer((FunctionTransformer(lowered), ["note"]))
    estimator = films(columns).fit(FILMS, LIKED)
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", "1")
    joblib.dump(estimator, tmp_path / "model.joblib")
    message = load_refusal(tmp_path)
    assert "model.joblib: what its columns are is not in the file" in message
    assert "has no attribute 'lower'); add code/inference.py" in message


@pytest.mark.parametrize("estimator", [LogisticRegression(), lightgbm.LGBMClassifier()])
def test_a_model_that_was_not_trained_is_refused_at_load(tmp_path, monkeypatch, estimator):
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", "1")
    joblib.dump(estimator, tmp_path / "model.joblib")
    assert "the model was not trained: " in load_refusal(tmp_path, errors.ModelDataError)


@pytest.mark.parametrize(
    ("estimator", "way"),
    [
        (xgboost.XGBClassifier(n_estimators=2, enable_categorical=True), "model.save_model("),
        (lightgbm.LGBMClassifier(n_estimators=2, verbose=-1), "model.booster_.save_model("),
    ],
)
def test_a_pickled_booster_with_categories_is_refused_by_name(
    tmp_path, monkeypatch, estimator, way
):
    table = FILMS[["a"]].assign(note=FILMS["note"].astype("category"))
    monkeypatch.setenv("BYOI_ALLOW_PICKLE", "1")
    joblib.dump(estimator.fit(table, [0, 1] * 6), tmp_path / "model.joblib")
    message = load_refusal(tmp_path)
    assert f"holds a {type(estimator).__name__} with columns of categories" in message
    assert way in message


def test_a_sparse_prediction_is_a_row_of_numbers(tmp_path, monkeypatch):
    labels = sparse.csr_matrix((NUMBERS[:, :2] > 0.5).astype(int))
    classifier = OneVsRestClassifier(LogisticRegression()).fit(NUMBERS, labels)
    expected = classifier.predict(NUMBERS[:2]).toarray().tolist()
    assert answer(pickled(tmp_path, monkeypatch, classifier), NUMBERS[:2].tolist()) == expected
