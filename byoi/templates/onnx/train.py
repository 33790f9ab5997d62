"""Fit a classifier on two half moons, and write it as an ONNX file to the model directory."""

import argparse
import os
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=50)
    # Set by SageMaker.
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    options = parser.parse_args()

    points, labels = make_moons(1000, noise=0.2, random_state=0)
    points, held_out, labels, expected = train_test_split(points, labels, random_state=0)
    model = RandomForestClassifier(options.trees, random_state=0).fit(points, labels)
    print(f"accuracy={model.score(held_out, expected):.3f}")

    folder = Path(options.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    # ZipMap would make a map of each row's probabilities.
    exported = to_onnx(model, points[:1].astype(np.float32), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(exported.SerializeToString())


if __name__ == "__main__":
    main()
