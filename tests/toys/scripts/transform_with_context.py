import json


def model_fn(model_dir, context=None):
    return {"dir": model_dir.rsplit("/", 1)[-1]}


def transform_fn(model, input_data, content_type, accept, context=None):
    data = json.loads(input_data)
    names = sorted(name.lower() for name in context.get_all_request_header(0))
    return json.dumps({"inputs": data["inputs"], "typed": "content-type" in names}), accept
