def model_fn(model_dir):
    return None


def input_fn(body, content_type):
    if content_type == "text/plain":
        return body.decode("utf-8")
    raise ValueError(content_type)


def predict_fn(data, model):
    return [len(line) for line in data.splitlines()]
