"""Wire formats: media types, request bodies to data, data to response bodies.

For an inference module's `input_fn` and `output_fn`, whatever the model:

* `parse`: a Content-Type header to media type and character set (`ContentType`)
* `read_text`, `read_json`, `read_json_lines`, `read_csv`, `read_npy`: a body to data
* `negotiate`: an Accept header to the media type of the response
* `encode`: rows of numbers to a response body
* `decode_rows`: a body to rows of numbers, checked: an `input_fn` in one line
* `predict_rows`: the rows of several requests in one call of the model, a `predict_fn` in one line
* `decode_tensors`, `encode_tensors`: a body to the named arrays (`Tensors`) that a `Signature` of
  `Tensor`s says, and a model's answer to a body
* `decode_numbers`, `encode_numbers`: whatever a body holds, as AWS's inference toolkit does it

What cannot be read or made is a `RequestError` of `byoi.errors`, which the server turns into
status 400, 406 or 415.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.formats.content_types import ContentType, negotiate, parse, read_text
    from byoi.formats.decoder import read_csv, read_json, read_json_lines, read_npy
    from byoi.formats.encoder import encode
    from byoi.formats.numbers import decode as decode_numbers
    from byoi.formats.numbers import encode as encode_numbers
    from byoi.formats.signature import Signature, Tensor
    from byoi.formats.tensor_encoder import encode as encode_tensors
    from byoi.formats.tensors import Tensors, decode_rows
    from byoi.formats.tensors import decode as decode_tensors
    from byoi.formats.together import predict_rows
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "ContentType": "content_types",
            "Signature": "signature",
            "Tensor": "signature",
            "Tensors": "tensors",
            "decode_numbers": "numbers:decode",
            "decode_rows": "tensors",
            "decode_tensors": "tensors:decode",
            "encode": "encoder",
            "encode_numbers": "numbers:encode",
            "encode_tensors": "tensor_encoder:encode",
            "negotiate": "content_types",
            "parse": "content_types",
            "predict_rows": "together",
            "read_csv": "decoder",
            "read_json": "decoder",
            "read_json_lines": "decoder",
            "read_npy": "decoder",
            "read_text": "content_types",
        },
    )

__all__ = [
    "ContentType",
    "Signature",
    "Tensor",
    "Tensors",
    "decode_numbers",
    "decode_rows",
    "decode_tensors",
    "encode",
    "encode_numbers",
    "encode_tensors",
    "negotiate",
    "parse",
    "predict_rows",
    "read_csv",
    "read_json",
    "read_json_lines",
    "read_npy",
    "read_text",
]
