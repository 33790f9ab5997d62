"""XGBoost's and LightGBM's own files: names, categories, classes, and what is missing."""

import io

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from asking import answer, load_refusal, refusal, tensors

from byoi import models

NUMBERS = np.random.default_rng(0).random((60, 3)).astype(np.float32)
CLASSES = np.arange(60) % 3
TABLE = pd.DataFrame(
    {
        "number": NUMBERS[:, 0],
        "letter": pd.Categorical(np.array(["u", "v", "w"])[CLASSES]),
        "year": pd.Categorical(2000 + CLASSES),
    }
)
SMALL = {"n_estimators": 3, "max_depth": 2}
QUIET = {"n_estimators": 3, "min_child_samples": 2, "verbose": -1}


def approximate(values):
    return pytest.approx(np.asarray(values), abs=1e-6)


@pytest.mark.parametrize("name", ["model.ubj", "model.json"])
def test_a_classifier_of_xgboost_gives_the_probability_of_each_class(tmp_path, name):
    classifier = xgboost.XGBClassifier(**SMALL).fit(NUMBERS, CLASSES)
    classifier.save_model(tmp_path / name)
    model = models.load(tmp_path)
    assert tensors(model.signature.inputs) == [("rows", "float32", (None, 3))]
    assert tensors(model.signature.outputs) == [("prediction", "float32", (None, 3))]
    expected = approximate(classifier.predict_proba(NUMBERS[:2]))
    assert np.array(answer(model, NUMBERS[:2].tolist())) == expected
    assert "received 2 values, expected 3" in refusal(model, [[1, 2]])


def test_a_binary_classifier_of_xgboost_gives_the_probability_of_class_1(tmp_path):
    classifier = xgboost.XGBClassifier(**SMALL).fit(NUMBERS, CLASSES > 0)
    classifier.save_model(tmp_path / "model.ubj")
    model = models.load(tmp_path)
    assert tensors(model.signature.outputs) == [("prediction", "float32", (None,))]
    body = "\n".join(",".join(map(str, row)) for row in NUMBERS[:2].tolist())
    expected = approximate(classifier.predict_proba(NUMBERS[:2])[:, 1])
    given = answer(model, body, "text/csv", "text/csv")
    assert np.array([float(line) for line in given.splitlines()]) == expected


def test_columns_and_categories_of_xgboost_are_sent_as_they_are(tmp_path):
    regressor = xgboost.XGBRegressor(**SMALL, enable_categorical=True).fit(TABLE, CLASSES)
    regressor.save_model(tmp_path / "model.json")
    model = models.load(tmp_path)
    assert tensors(model.signature.inputs) == [
        ("number", "float32", (None,)),
        ("letter", "object", (None,)),
        ("year", "float32", (None,)),
    ]
    rows = [
        {"letter": "v", "number": float(NUMBERS[1, 0]), "year": 2001.0},
        {"letter": "w", "number": None, "year": 2002},
    ]
    expected = TABLE.iloc[1:3].copy()
    expected.loc[2, "number"] = np.nan
    assert np.array(answer(model, rows)) == approximate(regressor.predict(expected))
    assert "row 1: received no 'letter', 'year', expected 'number' (float32)" in refusal(
        model, [{"number": 1}]
    )
    words = "input 'letter', row 1: received 'x', a text, expected one of the 3 categories 'u', 'v"
    assert words in refusal(model, [{"number": 1, "letter": "x", "year": 2000}])
    words = "received 2003.0, a number, expected one of the 3 categories 2000, 2001, 2002"
    assert words in refusal(model, [{"number": 1, "letter": "u", "year": 2003}])


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_categories_of_a_bare_array_are_sent_as_their_numbers(tmp_path, booster):
    rows = np.column_stack([NUMBERS[:, 0], CLASSES])
    data = xgboost.DMatrix(rows, CLASSES, feature_types=["float", "c"], enable_categorical=True)
    trained = xgboost.train({"booster": booster, "max_depth": 2}, data, 2)
    trained.save_model(tmp_path / "model.ubj")
    model = models.load(tmp_path)
    assert tensors(model.signature.inputs) == [("rows", "float32", (None, 2))]
    assert np.array(answer(model, rows[:3].tolist())) == approximate(trained.predict(data)[:3])


def test_xgboost_predicts_with_the_trees_up_to_the_best_where_its_classifier_would(tmp_path):
    noise = np.random.default_rng(1).integers(0, 2, 60)
    classifier = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=5)
    classifier.fit(NUMBERS, CLASSES > 0, eval_set=[(NUMBERS, noise)], verbose=False)
    booster = classifier.get_booster()
    assert classifier.best_iteration + 1 < booster.num_boosted_rounds()
    classifier.save_model(tmp_path / "model.ubj")
    given = np.array(answer(models.load(tmp_path), NUMBERS[:5].tolist()))
    assert given == approximate(classifier.predict_proba(NUMBERS[:5])[:, 1])


def test_a_classifier_of_lightgbm_gives_the_probability_of_each_class(tmp_path):
    classifier = lightgbm.LGBMClassifier(**QUIET).fit(NUMBERS, CLASSES)
    classifier.booster_.save_model(tmp_path / "model.txt")
    model = models.load(tmp_path)
    assert tensors(model.signature.inputs) == [("rows", "float64", (None, 3))]
    assert tensors(model.signature.outputs) == [("prediction", "float64", (None, 3))]
    rows = NUMBERS[:2].tolist()
    assert np.array(answer(model, {"inputs": rows})["outputs"]) == approximate(
        classifier.booster_.predict(rows)
    )


def test_categories_that_xgboost_has_cut_are_refused(tmp_path):
    table = pd.DataFrame({"letter": pd.Categorical(np.array(["é", "b", "w"])[CLASSES])})
    regressor = xgboost.XGBRegressor(**SMALL, enable_categorical=True).fit(table, CLASSES)
    regressor.save_model(tmp_path / "model.ubj")
    assert "XGBoost has cut the categories of 'letter', of which one is not" in load_refusal(
        tmp_path
    )


@pytest.fixture
def lightgbm_regressor(tmp_path):
    """A regressor of the table, which is saved as the one model of a directory."""
    regressor = lightgbm.LGBMRegressor(**QUIET).fit(TABLE, CLASSES)
    regressor.booster_.save_model(tmp_path / "model.txt")
    return regressor


def test_categories_of_lightgbm_are_sent_as_they_are(tmp_path, lightgbm_regressor):
    model = models.load(tmp_path)
    assert tensors(model.signature.inputs) == [
        ("number", "float64", (None,)),
        ("letter", "object", (None,)),
        ("year", "float64", (None,)),
    ]
    expected = approximate(lightgbm_regressor.predict(TABLE.iloc[:3]))
    rows = [
        {"number": float(number), "letter": letter, "year": year}
        for number, letter, year in zip(
            NUMBERS[:3, 0], ["u", "v", "w"], [2000, 2001, 2002.0], strict=True
        )
    ]
    assert np.array(answer(model, rows)) == expected
    text = "\n".join(f"{row['number']},{row['letter']},{row['year']}" for row in rows)
    assert np.array(answer(model, text, "text/csv")["predictions"]) == expected
    assert isinstance(answer(model, [[None, None, None]])[0], float)


@pytest.mark.usefixtures("lightgbm_regressor")
def test_a_category_that_lightgbm_does_not_know_is_named(tmp_path):
    message = refusal(models.load(tmp_path), [{"number": 1, "letter": "x", "year": 2000}])
    words = "input 'letter', row 1: received 'x', a text, expected one of the 3 categories 'u', 'v"
    assert words in message


@pytest.mark.usefixtures("lightgbm_regressor")
def test_categories_whose_column_is_open_are_refused(tmp_path):
    text = (tmp_path / "model.txt").read_text()
    known = next(line for line in text.splitlines() if line.startswith("pandas_categorical:"))
    (tmp_path / "model.txt").write_text(text.replace(known, 'pandas_categorical:[["u"]]'))
    assert "each of the 2 categorical columns, found them for 1" in load_refusal(tmp_path)


def test_infinity_is_refused_by_xgboost(tmp_path):
    xgboost.XGBClassifier(**SMALL).fit(NUMBERS, CLASSES).save_model(tmp_path / "model.ubj")
    body = io.BytesIO()
    np.save(body, np.array([[np.inf, 1, 2]], np.float32))
    message = refusal(models.load(tmp_path), body.getvalue(), "application/x-npy")
    assert message.startswith("the model refuses these values: ")
