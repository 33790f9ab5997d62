"""Fit the same numbers with three libraries, and write what each predicts for the first rows."""

import argparse
import json
import os
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import shapes
import xgboost
from scipy import special
from sklearn.ensemble import RandomForestRegressor


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=10)
    parser.add_argument("--fail", default="")
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    options = parser.parse_args()
    if options.fail:
        raise ValueError(options.fail)

    numbers = np.loadtxt(Path(options.train, "numbers.csv"), delimiter=",")
    x, y = numbers[:, :-1], special.expit(numbers[:, -1])
    forest = RandomForestRegressor(options.trees, random_state=0).fit(x, y)
    light = lightgbm.train(
        {"objective": "regression", "verbose": -1, "num_threads": 2},
        lightgbm.Dataset(x, y),
        options.trees,
    )
    boosted = xgboost.train({"nthread": 2}, xgboost.DMatrix(x, y), options.trees)

    model_dir = Path(options.model_dir)
    joblib.dump(forest, model_dir / shapes.SCIKIT_LEARN)
    light.save_model(model_dir / shapes.LIGHTGBM)
    boosted.save_model(model_dir / shapes.XGBOOST)
    rows = x[:3]
    expected = [forest.predict(rows), light.predict(rows), boosted.predict(xgboost.DMatrix(rows))]
    told = {"rows": rows.tolist(), "expected": np.transpose(expected).tolist()}
    (model_dir / shapes.EXPECTED).write_text(json.dumps(told))
    print(f"trees={options.trees}")


if __name__ == "__main__":
    main()
