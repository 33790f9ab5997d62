import argparse
import json
import os


def model_fn(model_dir):
    return len(os.listdir(model_dir)) > 0


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(data, model):
    return {"rows": len(data), "loaded": model}


def output_fn(prediction, accept):
    return json.dumps(prediction), accept


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    print(parser.parse_args())
