from sagemaker_inference import content_types, decoder, encoder, errors, utils


def model_fn(model_dir):
    return 2


def input_fn(input_data, content_type):
    if content_type == content_types.NPZ:
        raise errors.GenericInferenceToolkitError(422, "no sparse rows, send dense ones")
    return decoder.decode(input_data, content_type)


def predict_fn(data, model):
    return data * model


def output_fn(prediction, accept):
    for content_type in utils.parse_accept(accept):
        if content_type in encoder.SUPPORTED_CONTENT_TYPES:
            return encoder.encode(prediction, content_type), content_type
    raise errors.UnsupportedFormatError(accept)
