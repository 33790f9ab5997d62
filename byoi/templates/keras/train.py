"""Fit a small network on two rings of points, and write it to the model directory."""

import argparse
import os
from pathlib import Path

import keras
import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    # Set by SageMaker, and by the image's `train`.
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    points = np.random.default_rng(0).uniform(-2, 2, size=(2000, 2)).astype("float32")
    is_inside = (np.linalg.norm(points, axis=1) < 1.5).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    model.fit(points[:1500], is_inside[:1500], epochs=options.epochs, batch_size=64, verbose=0)
    _, accuracy = model.evaluate(points[1500:], is_inside[1500:], verbose=0)
    print(f"accuracy={accuracy:.3f}")

    folder = Path(options.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")


if __name__ == "__main__":
    main()
