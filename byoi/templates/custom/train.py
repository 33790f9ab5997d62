"""Fit the weights of a plane by least squares, and write them to the model directory."""

import argparse
import json
import os
from pathlib import Path

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000)
    # Set by SageMaker, and by the image's `train`.
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    options = parser.parse_args()

    random = np.random.default_rng(0)
    points = random.uniform(-2, 2, size=(options.points, 2))
    values = points @ [3.0, -1.0] + 0.5 + random.normal(scale=0.1, size=options.points)
    columns = np.column_stack([points, np.ones(len(points))])
    weights, *_ = np.linalg.lstsq(columns, values)
    print(f"rmse={np.sqrt(np.mean((columns @ weights - values) ** 2)):.3f}")

    folder = Path(options.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.json").write_text(json.dumps(weights.tolist()))


if __name__ == "__main__":
    main()
