"""What the container calls: load the model once, then predict for each request."""

from pathlib import Path

import joblib


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "classifier.joblib")


def predict_fn(data, model):
    return model.predict_proba(data)
