"""Fit a regression of a curved surface, and write it to the model directory."""

import argparse
import os
from pathlib import Path

import numpy as np
import xgboost


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    # Set by SageMaker, and by the image's `train`.
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    options = parser.parse_args()

    points = np.random.default_rng(0).uniform(-2, 2, size=(2000, 2))
    values = np.sin(points[:, 0]) * points[:, 1]
    model = xgboost.train(
        {"max_depth": 4}, xgboost.DMatrix(points[:1500], values[:1500]), options.rounds
    )
    difference = model.inplace_predict(points[1500:]) - values[1500:]
    print(f"rmse={np.sqrt(np.mean(difference**2)):.3f}")

    folder = Path(options.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_model(folder / "model.ubj")


if __name__ == "__main__":
    main()
