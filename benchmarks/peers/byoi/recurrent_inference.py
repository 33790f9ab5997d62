import numpy as np
from byoi.formats import decode_rows
from recurrent import STEPS, Network

BYOI_BATCH_SIZE = 8


def model_fn(model_dir):
    return Network()


def input_fn(body, content_type):
    return decode_rows(body, content_type, columns=STEPS)


def predict_fn(data, model):
    predictions = model.predict(np.concatenate(data))
    return np.split(predictions, np.cumsum([len(rows) for rows in data])[:-1])
