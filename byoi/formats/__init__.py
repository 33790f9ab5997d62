"""Wire formats: media types, request bodies to data, data to response bodies.

For an inference module's `input_fn` and `output_fn`, whatever the model:

* `parse`: a Content-Type header to media type and character set (`ContentType`)
* `read_text`, `read_json`, `read_json_lines`, `read_csv`, `read_npy`: a body to data
* `negotiate`: an Accept header to the media type of the response
* `encode`: rows of numbers to a response body

What cannot be read or made is a `RequestError` of `byoi.errors`, which the server turns into
status 400, 406 or 415.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.formats.content_types import ContentType, negotiate, parse, read_text
    from byoi.formats.decoder import read_csv, read_json, read_json_lines, read_npy
    from byoi.formats.encoder import encode
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "ContentType": "content_types",
            "encode": "encoder",
            "negotiate": "content_types",
            "parse": "content_types",
            "read_csv": "decoder",
            "read_json": "decoder",
            "read_json_lines": "decoder",
            "read_npy": "decoder",
            "read_text": "content_types",
        },
    )

__all__ = [
    "ContentType",
    "encode",
    "negotiate",
    "parse",
    "read_csv",
    "read_json",
    "read_json_lines",
    "read_npy",
    "read_text",
]
