STATE = []


def pre_model_fn(model_dir):
    STATE.append("before")


def model_fn(model_dir):
    STATE.append("load")
    return STATE


def model_warmup_fn(model_dir, model):
    model.append("after")


def predict_fn(data, model):
    return {"state": model, "data": data}
