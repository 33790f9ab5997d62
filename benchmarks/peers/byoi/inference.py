import joblib


def model_fn(model_dir):
    return joblib.load(f"{model_dir}/model.joblib")
