"""The ONNX graph of the classifier, made of a few dozen nodes from the network's weights.

Keras's own exporter translates each TensorFlow operation: hundreds of nodes, and for a review
the nodes cost more than the arithmetic. This module knows the network of `byoi_lib.model` as a
whole and writes the same function with standard ONNX operators:

* What no text has gets a row of zeros in each table, so that no product with a mask is needed.
* Attention is a product of each phrase with every other. With the weights of query and key
  multiplied beforehand, and those of value and output, the phrases themselves are keys and
  values, all heads at once. What is added to each score of a row alike drops out of softmax.
* Where no id of a batch is padding, as for one review alone, one branch computes without masks
  and without moving text; the other branch is right for any padding.

The cost of attention grows with the number of heads; for the few heads of this network that is
less than the nodes it saves.

Changed sizes need no change here. A network that was changed otherwise in `byoi_lib.model` or
`byoi_lib.layers` is noticed by its layers, or by its answers, which `runtime.write_onnx` compares;
it is then exported by Keras, in more nodes and slower, which needs the package tf2onnx. So a
changed network can always be served; to make it fast again, change this module as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from byoi_lib.vocabulary import UNKNOWN

Array = npt.NDArray[Any]

# LayerNormalization is standard from this version on; later ones add nothing used here.
_OPSET, _IR_VERSION = 17, 8

# Do nothing outside training.
_SKIPPED = {"Dropout"}
# All other layers, by name; "phrases" may be missing.
_LAYERS = {
    "token_ids": "InputLayer",
    "embedding": "TokenAndPositionEmbedding",
    "pairs": "PairEmbedding",
    "words_and_pairs": "Add",
    "phrases": "PhraseMean",
    "transformer": "TransformerBlock",
    "mean_of_words": "MaskedMean",
    "mean_in_context": "MaskedMean",
    "features": "Concatenate",
    "hidden": "Dense",
    "probabilities": "Dense",
}
# Less than any sum of two numbers of words, and the sum of two of it still fits int32.
_NO_WORD = -(2**30)


class UnknownNetworkError(Exception):
    """The network is another than this module can write; the text says what was found."""


def write(network: Any, path: Path) -> None:
    """Write a network of `model.build_model` to an ONNX file.

    Args:
        network: The Keras network.
        path: Where the file goes.

    Raises:
        UnknownNetworkError: As in `make_graph`.
    """
    onnx.save(make_graph(network), path)


def make_graph(network: Any) -> onnx.ModelProto:
    """Make the graph of a network of `model.build_model`.

    Its input is `token_ids`, shape (batch, length), int32, with padding on either side; without
    padding, at most the network's `max_length` ids. Its output is `probabilities`, shape
    (batch, 2), float32.

    Args:
        network: The Keras network.

    Raises:
        UnknownNetworkError: The network has other layers, or they have other parts.
    """
    layers = {layer.name: layer for layer in network.layers if type(layer).__name__ not in _SKIPPED}
    found = {name: type(layer).__name__ for name, layer in layers.items()}
    expected = {name: kind for name, kind in _LAYERS.items() if name in found or name != "phrases"}
    if found != expected:
        more = [f"{kind} {name!r}" for name, kind in found.items() if expected.get(name) != kind]
        less = [f"{kind} {name!r}" for name, kind in expected.items() if found.get(name) != kind]
        raise UnknownNetworkError(
            f"the network has {', '.join(more) or 'nothing'} instead of "
            f"{', '.join(less) or 'nothing'}"
        )
    graph = _Graph()
    try:
        _write(graph, layers)
        return graph.model()
    except (
        *(AttributeError, IndexError, ValueError),
        *(onnx.checker.ValidationError, onnx.shape_inference.InferenceError),
    ) as error:
        raise UnknownNetworkError(f"the network's layers have other parts ({error})") from error


class _Graph:
    """A graph under construction: the nodes in their order and the constants they share."""

    def __init__(self) -> None:
        self._constants: dict[str, Array] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._count = 0

    def constant(self, value: npt.ArrayLike, name: str = "") -> str:
        """Return the name of a constant, one for all equal values."""
        array = np.asarray(value)
        for known, other in self._constants.items():
            if other.dtype == array.dtype and np.array_equal(other, array):
                return known
        name = name or f"constant_{len(self._constants)}"
        self._constants[name] = array
        return name

    def add(self, operator: str, *inputs: str | Array, output: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its output; arrays become constants."""
        self._count += 1
        name = output or f"{operator}_{self._count}"
        names = [given if isinstance(given, str) else self.constant(given) for given in inputs]
        self._nodes.append(helper.make_node(operator, names, [name], name=name, **attributes))
        return name

    @contextmanager
    def branch(self, name: str) -> Iterator[list[onnx.GraphProto]]:
        """Collect the nodes made inside as a graph of their own, the list's only element.

        Its output is that of its last node.
        """
        outside, self._nodes = self._nodes, []
        made: list[onnx.GraphProto] = []
        yield made
        (output,) = self._nodes[-1].output
        shape = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 2])
        made.append(helper.make_graph(self._nodes, name, [], [shape]))
        self._nodes = outside

    def model(self) -> onnx.ModelProto:
        """Return the whole, checked against ONNX's rules."""
        graph = helper.make_graph(
            self._nodes,
            "review_classifier",
            [helper.make_tensor_value_info("token_ids", TensorProto.INT32, ["batch", "length"])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
            [numpy_helper.from_array(value, name) for name, value in self._constants.items()],
        )
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(
            graph, producer_name="byoi", ir_version=_IR_VERSION, opset_imports=opset
        )
        onnx.checker.check_model(model, full_check=True)
        return model


@dataclass(frozen=True)
class _Embedded:
    """What the embeddings of one branch give to the rest of it, as names in the graph.

    Attributes:
        tokens: Shape (1, batch, length, size), zero where there is padding.
        is_text: Shape (1, batch, 1, length), float32, 1 and 0; None if all is text.
    """

    tokens: str
    is_text: str | None


def _write(graph: _Graph, layers: dict[str, Any]) -> None:
    """Write the choice between the two branches, and the branches."""
    length = graph.add("Shape", "token_ids", start=1, end=2)
    least = graph.add("ReduceMin", "token_ids", keepdims=0)
    is_full = graph.add("Cast", least, to=TensorProto.BOOL)
    with graph.branch("without_padding") as full:
        _rest(graph, layers, _Embedded(_full_tokens(graph, layers, length), None))
    with graph.branch("with_padding") as padded:
        _rest(graph, layers, _padded_tokens(graph, layers, length))
    graph.add(
        "If",
        is_full,
        output="probabilities",
        then_branch=full[0],
        else_branch=padded[0],
    )


def _full_tokens(graph: _Graph, layers: dict[str, Any], length: str) -> str:
    """Embed ids without padding: places are columns, and text is at the left edge."""
    places = graph.add("Slice", _positions(graph, layers), _ints(0), length, _ints(2))
    words = graph.add("Gather", _tokens(graph, layers), "token_ids")
    return graph.add("Sum", words, _pairs(graph, layers, "token_ids"), places)


def _padded_tokens(graph: _Graph, layers: dict[str, Any], length: str) -> _Embedded:
    """Embed ids with padding on any side and anywhere between."""
    limit = layers["embedding"].max_length
    is_word = graph.add("Sign", "token_ids")
    count = graph.add("ReduceSum", is_word, _ints(1), keepdims=1)
    start = graph.add("ArgMax", is_word, axis=1, keepdims=1)
    ones = graph.add("Expand", _ints(1), length)
    columns = graph.add("CumSum", ones, np.array(0, np.int64), exclusive=1)
    # From -length on, an index counts from the end: so what is moved out comes in again.
    sources = graph.add("Add", graph.add("Sub", columns, length), start)
    moved = graph.add("GatherElements", "token_ids", sources, axis=1)
    # As in `layers._text_at_left_edge`: as many columns as there are words.
    is_text = graph.add("Less", columns, graph.add("Cast", count, to=TensorProto.INT64))
    ids = graph.add("Where", is_text, moved, np.array(0, np.int32))
    is_word = graph.add("Sign", ids)
    number = graph.add("CumSum", is_word, np.array(1, np.int64))
    number = graph.add("Min", graph.add("Mul", number, is_word), np.array(limit, np.int32))
    # Padding has the place -1, which is the last row, of zeros.
    place = graph.add("Sub", number, np.array(1, np.int32))
    zeros = np.zeros((1, 1, 1, layers["embedding"].embedding_dim), np.float32)
    # Without this row, the table refuses a text without padding that is longer than it.
    table = graph.add("Concat", _positions(graph, layers), zeros, axis=2)
    places = graph.add("Gather", table, place, axis=2)
    places = graph.add("Squeeze", places, _ints(0))
    words = graph.add("Gather", _tokens(graph, layers), ids)
    tokens = graph.add("Sum", words, _pairs(graph, layers, ids), places)
    is_text = graph.add("Cast", is_text, to=TensorProto.FLOAT)
    return _Embedded(tokens, graph.add("Unsqueeze", is_text, _ints(0, 2)))


def _rest(graph: _Graph, layers: dict[str, Any], embedded: _Embedded) -> None:
    """Write all that follows the embeddings; the last node gives the probabilities."""
    tokens, is_text = embedded.tokens, embedded.is_text
    phrases, is_phrase = tokens, is_text
    if "phrases" in layers:
        size = layers["phrases"].tokens
        phrases = _pool(graph, tokens, [size, 1])
        if is_text:
            share = _pool(graph, is_text, [1, size])
            is_phrase = graph.add("Ceil", share)
            # Less than one token in a phrase is none, and zero whatever it is divided by.
            share = graph.add("Max", share, _float(0.5 / size))
            share = graph.add("Transpose", share, perm=[0, 1, 3, 2])
            phrases = graph.add("Div", phrases, share)
    transformed = _transformer(graph, layers["transformer"], phrases, is_phrase)
    direct = _mean(graph, tokens, is_text)
    context = _mean(graph, transformed, is_phrase)
    features = graph.add("Concat", direct, context, axis=1)
    hidden = _dense(graph, layers["hidden"], features)
    graph.add("Softmax", _dense(graph, layers["probabilities"], hidden), axis=-1)


def _pool(graph: _Graph, values: str, window: list[int]) -> str:
    """Average windows side by side; the last one has the places that are left."""
    return graph.add(
        "AveragePool",
        values,
        kernel_shape=window,
        strides=window,
        ceil_mode=1,
        count_include_pad=0,
    )


def _tokens(graph: _Graph, layers: dict[str, Any]) -> str:
    table = _weights(layers["embedding"].tokens)[0]
    return graph.constant(np.concatenate([np.zeros_like(table[:1]), table[1:]]), "tokens")


def _positions(graph: _Graph, layers: dict[str, Any]) -> str:
    """Return the table of positions, shape (1, 1, max_length, size)."""
    (table,) = _weights(layers["embedding"].positions)
    return graph.constant(table[None, None], "positions")


def _pairs(graph: _Graph, layers: dict[str, Any], token_ids: str) -> str:
    """Embed each word with the one before it, as `layers.PairEmbedding` does."""
    pairs = layers["pairs"]
    ids = np.arange(layers["embedding"].vocabulary_size)
    counts = (ids > UNKNOWN) & (ids < pairs.frequent)
    numbers = [
        np.where(counts, value, _NO_WORD).astype(np.int32) for value in (ids * pairs.frequent, ids)
    ]
    before = graph.add("Pad", token_ids, _ints(0, 1, 0, -1))
    first = graph.add("Gather", graph.constant(numbers[0], "first_of_pair"), before)
    second = graph.add("Gather", graph.constant(numbers[1], "second_of_pair"), token_ids)
    # What is not a pair has a negative number: made -1, the last row, of zeros.
    number = graph.add("Max", graph.add("Add", first, second), np.array(-1, np.int32))
    row = graph.add("Mod", number, np.array(pairs.rows, np.int32), fmod=1)
    (table,) = _weights(pairs.pairs)
    table = np.concatenate([table, np.zeros_like(table[:1])])
    return graph.add("Gather", graph.constant(table, "pairs"), row)


def _transformer(graph: _Graph, block: Any, phrases: str, is_phrase: str | None) -> str:
    """Write `layers.TransformerBlock` on phrases of shape (1, batch, phrases, size)."""
    query, key, value, output = (
        [weight.astype(np.float64) for weight in _weights(part)]
        for part in (
            block.attention.query_dense,
            block.attention.key_dense,
            block.attention.value_dense,
            block.attention.output_dense,
        )
    )
    size, heads, width = query[0].shape
    # (x Q + q) (y K + k): what has no y in it is alike for all of a row.
    scale = 1 / np.sqrt(width)
    asking = np.einsum("ihd,jhd->ihj", query[0], key[0]).reshape(size, -1) * scale
    asking_bias = np.einsum("hd,jhd->hj", query[1], key[0]).reshape(-1) * scale
    # The shares of a row sum to 1, so that the bias of the values is added once.
    giving = np.einsum("ihd,hdo->hio", value[0], output[0]).reshape(-1, size)
    giving_bias = np.einsum("hd,hdo->o", value[1], output[0]) + output[1]

    flat = graph.add("Reshape", phrases, _ints(-1, size))
    batch = graph.add("Shape", phrases, start=1, end=2)
    by_review = graph.add("Concat", _ints(1), batch, _ints(-1, size), axis=0)
    asked = graph.add("Gemm", flat, _float(asking), _float(asking_bias))
    asked = graph.add("Reshape", asked, by_review)
    scores = graph.add("MatMul", asked, graph.add("Transpose", phrases, perm=[0, 1, 3, 2]))
    if is_phrase:
        hidden = graph.add("Mul", graph.add("Sub", is_phrase, _float(1)), _float(1e9))
        scores = graph.add("Add", scores, hidden)
    given = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), phrases)
    given = graph.add("Reshape", given, _ints(-1, heads * size))
    added = graph.add("Gemm", given, _float(giving), _float(giving_bias))

    (hidden_kernel, hidden_bias), (outer_kernel, outer_bias) = map(
        _weights, (block.hidden, block.outer)
    )
    # The second sum is the bias of a product: the outer bias is added here, and taken off again.
    attended = _norm(graph, block.attention_norm, graph.add("Add", added, flat), outer_bias)
    bias = hidden_bias - outer_bias.astype(np.float64) @ hidden_kernel
    units = graph.add("Relu", graph.add("Gemm", attended, _float(hidden_kernel), _float(bias)))
    summed = graph.add("Gemm", units, _float(outer_kernel), attended)
    return graph.add("Reshape", _norm(graph, block.outer_norm, summed, 0), by_review)


def _norm(graph: _Graph, layer: Any, values: str, added: npt.ArrayLike) -> str:
    """Normalize each vector, and add a constant to the result."""
    gamma, beta = _weights(layer)
    return graph.add(
        "LayerNormalization",
        values,
        _float(gamma),
        _float(beta + added),
        axis=-1,
        epsilon=layer.epsilon,
    )


def _mean(graph: _Graph, values: str, counted: str | None) -> str:
    """Average values of (1, batch, length, size) to (batch, size), over the places counted."""
    if counted is None:
        return graph.add("ReduceMean", values, axes=[0, 2], keepdims=0)
    count = graph.add("Max", graph.add("ReduceSum", counted, _ints(3)), _float(1))
    mean = graph.add("MatMul", graph.add("Div", counted, count), values)
    return graph.add("Squeeze", mean, _ints(0, 2))


def _dense(graph: _Graph, layer: Any, values: str) -> str:
    kernel, bias = _weights(layer)
    product = graph.add("Gemm", values, _float(kernel), _float(bias))
    return graph.add("Relu", product) if layer.name == "hidden" else product


def _weights(layer: Any) -> list[Array]:
    return [variable.value.numpy() for variable in layer.weights]


def _ints(*values: int) -> Array:
    return np.array(values, np.int64)


def _float(values: npt.ArrayLike) -> Array:
    return np.asarray(values, np.float32)
