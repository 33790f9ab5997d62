"""A model directory small enough to check by hand: the network adds two numbers a word."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from byoi_lib.manifest import KERAS_FILE, ONNX_FILE, VOCABULARY_FILE, Golden, Manifest, digests
from byoi_lib.vocabulary import Vocabulary

WORD_INDEX = {"the": 1, "film": 2, "good": 3, "bad": 4, "not": 5, "rare": 6}
TINY_SIZE, TINY_LENGTH = 9, 6  # "rare" has the id 9, beyond the cut
# What each id adds to the evidence for negative and positive; padding adds nothing.
WEIGHTS = np.zeros((TINY_SIZE, 2), np.float32)
WEIGHTS[2] = [0.25, 0.5]
WEIGHTS[6] = [0, 2]
WEIGHTS[7] = [3, 0]
WEIGHTS[8] = [1, 0.5]


def tiny_answer(token_ids) -> list[float]:
    """Compute what the tiny network answers for one review."""
    evidence = np.exp(WEIGHTS[list(token_ids)].astype(np.float64).sum(axis=0))
    return (evidence / evidence.sum()).tolist()


def write_tiny_network(path: Path, weights: np.ndarray = WEIGHTS) -> None:
    nodes = [
        helper.make_node("Gather", ["weights", "ids"], ["evidence"]),
        helper.make_node("ReduceSum", ["evidence", "axis"], ["sums"], keepdims=0),
        helper.make_node("Softmax", ["sums"], ["answer:0"], axis=-1),
    ]
    kind = helper.np_dtype_to_tensor_dtype(weights.dtype)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("ids", TensorProto.INT32, ["n", "width"])],
        [helper.make_tensor_value_info("answer:0", kind, ["n", weights.shape[1]])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opset), path)


def write_tiny_model(model_dir: Path, weights: np.ndarray = WEIGHTS) -> Manifest:
    """Fill a directory; its Keras file is a stand-in that only its digest looks at."""
    model_dir.mkdir(exist_ok=True)
    write_tiny_network(model_dir / ONNX_FILE, weights)
    Vocabulary.from_word_index(WORD_INDEX, size=TINY_SIZE).save(model_dir / VOCABULARY_FILE)
    (model_dir / KERAS_FILE).write_bytes(b"not read by ONNX Runtime")
    texts = {"the good film": [1, 4, 6, 5], "the bad film": [1, 4, 7, 5], "not rare": [1, 8, 2]}
    manifest = Manifest(
        created_with={"python": "3.11"},
        config={"vocabulary_size": TINY_SIZE, "max_length": TINY_LENGTH},
        files=digests(model_dir),
        training_data={"name": "made up", "sha256": "0" * 64},
        held_out_accuracy=0.75,
        golden=tuple(
            Golden(text, int(answer[1] > answer[0]), (answer[0], answer[1]))
            for text, answer in ((text, tiny_answer(ids)) for text, ids in texts.items())
        ),
    )
    manifest.write(model_dir)
    return manifest
