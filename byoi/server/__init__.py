"""The server: nginx, gunicorn and Flask around the four functions of an inference module.

Nothing here knows what the model does. It is told a module's name and calls
`model_fn`, `input_fn`, `predict_fn` and `output_fn` of it.
"""
