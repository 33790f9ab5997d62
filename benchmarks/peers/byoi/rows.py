import joblib
from byoi.formats import decode_rows, predict_rows

BYOI_BATCH_SIZE = 8


def model_fn(model_dir):
    return joblib.load(f"{model_dir}/model.joblib")


input_fn = lambda body, content_type: decode_rows(body, content_type, columns=4)
predict_fn = lambda requests, model: predict_rows(requests, model.predict)
