"""The server: nginx, gunicorn and Flask around the four functions of an inference module.

Nothing here knows what the model does: the server is told the name of a module and calls its
`model_fn`, `input_fn`, `predict_fn` and `output_fn`. Everything here is in the image, and
imports nothing of `byoi` but `contract` and `errors`.
"""
