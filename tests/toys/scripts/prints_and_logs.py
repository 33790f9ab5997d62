import logging
import sys

logger = logging.getLogger(__name__)
logger.setLevel(logging.DEBUG)
logger.addHandler(logging.StreamHandler(sys.stdout))


def model_fn(model_dir):
    print("loading from", model_dir)
    return None


def input_fn(body, content_type):
    logger.info("body of type %s: %r", content_type, body)
    return body


def predict_fn(data, model):
    print(data)
    return data


def output_fn(prediction, accept):
    logger.debug("wanted: %s", accept)
    return str(prediction)
