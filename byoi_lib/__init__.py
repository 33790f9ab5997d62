"""The library of this repository's model, a classifier of reviews: the example of what one brings.

In the order of the notebooks:

* `datasets`: the built-in sample, IMDB, or a file of the same layout
* `preprocessing`, `Vocabulary`: the one way from a text to token ids
* `model`: the network; `training`: fit, evaluate, export, write the model directory
* `report`: learning curves, confusion matrix, calibration
* `Manifest`, `LABELS`: what a model directory holds; the names of the two classes
* `inference`: the four functions that the server calls
* `ReviewSerializer`, `PredictionDeserializer`: reviews and predictions for the SDK's Predictor

To bring your own model, replace this package; the tool is `byoi`. Importing `byoi_lib` imports
none of these modules; each is imported when it is first used.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi_lib import datasets, inference, model, preprocessing, report, training
    from byoi_lib.manifest import LABELS, Manifest
    from byoi_lib.serializers import PredictionDeserializer, ReviewSerializer
    from byoi_lib.vocabulary import Vocabulary
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "LABELS": "manifest",
            "Manifest": "manifest",
            "PredictionDeserializer": "serializers",
            "ReviewSerializer": "serializers",
            "Vocabulary": "vocabulary",
            "datasets": "datasets",
            "inference": "inference",
            "model": "model",
            "preprocessing": "preprocessing",
            "report": "report",
            "training": "training",
        },
    )

__all__ = [
    "LABELS",
    "Manifest",
    "PredictionDeserializer",
    "ReviewSerializer",
    "Vocabulary",
    "datasets",
    "inference",
    "model",
    "preprocessing",
    "report",
    "training",
]
