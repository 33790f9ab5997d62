import json


def model_fn(model_dir):
    return 2


def transform_fn(model, request_body, content_type, accept):
    return json.dumps([model * number for number in json.loads(request_body)]), "application/json"
