"""Models that are served as they are, without a script: one file of a known library.

* `find`: the one model file of a directory, a `ModelFile` of a `Kind`
* `load`: that file to a `Model`, which has a `signature` and a `predict`
* `inference`: the inference module that serves it

There is a module for each library: `onnx`, `xgboost`, `lightgbm`, `scikit_learn` and `pickled`,
`keras` and `saved_model`.
A library is imported when a file of its is loaded, and none before.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.models.files import Kind, ModelFile, find
    from byoi.models.loading import load
    from byoi.models.model import Model
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Kind": "files",
            "Model": "model",
            "ModelFile": "files",
            "find": "files",
            "load": "loading",
        },
    )

__all__ = ["Kind", "Model", "ModelFile", "find", "load"]
