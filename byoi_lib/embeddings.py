"""The embeddings of the classifier: tokens, their places, and words in pairs.

Padding never changes an answer: an embedding moves each text to the left edge and counts
places from there, so neither the width of the matrix nor the side of the padding is seen.

Source: Keras code example "Text classification with Transformer" (tokens and places).
"""

from typing import Any

from byoi_lib.keras_layers import PACKAGE, Shape
from byoi_lib.quiet_tensorflow import keras
from byoi_lib.vocabulary import UNKNOWN


@keras.saving.register_keras_serializable(package=PACKAGE)
class TokenAndPositionEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Embed each token and its place in the text, and move the text to the left edge.

    Places count from the text's first token, wherever padding puts it.

    Args:
        vocabulary_size: Rows of the token table.
        max_length: Rows of the position table.
        embedding_dim: Columns of both.

    Input shape: (batch, length), int32, padding is 0.
    Output shape: (batch, length, embedding_dim), float32, zero where padding is, which is
    on the right.
    """

    def __init__(
        self, vocabulary_size: int, max_length: int, embedding_dim: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.max_length = max_length
        self.embedding_dim = embedding_dim
        self.tokens = keras.layers.Embedding(vocabulary_size, embedding_dim, name="tokens")
        self.positions = keras.layers.Embedding(max_length, embedding_dim, name="positions")

    def build(self, input_shape: Shape) -> None:
        """Make both tables."""
        self.tokens.build(input_shape)
        self.positions.build(input_shape)
        self.built = True

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:  # noqa: ARG002 - Keras calls it so
        """Return where text is in the output: shape (batch, length), bool."""
        return _text_at_left_edge(inputs)

    def call(self, inputs: Any) -> Any:
        """Embed `inputs`."""
        token_ids = _at_left_edge(inputs)
        is_text = keras.ops.cast(keras.ops.not_equal(token_ids, 0), "int32")
        places = keras.ops.cumsum(is_text, axis=1) - 1
        places = keras.ops.clip(places, 0, self.max_length - 1)
        embedded = self.tokens(token_ids) + self.positions(places)
        return embedded * keras.ops.cast(is_text, embedded.dtype)[:, :, None]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (batch, length, embedding_dim)."""
        return (*input_shape, self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "vocabulary_size": self.vocabulary_size,
            "max_length": self.max_length,
            "embedding_dim": self.embedding_dim,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class PairEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Embed each word together with the word before it: "not good" is no "good".

    There are too many pairs for a row each, so that they share rows by a hash, and only
    pairs of frequent words count.

    Args:
        rows: Rows of the table, a prime number for an even spread.
        frequent: Token ids below it are frequent words; at most 46,340.
        embedding_dim: Columns of the table.

    Input shape: (batch, length), int32, padding is 0.
    Output shape: (batch, length, embedding_dim), float32, with each text at the left edge;
    zero where there is no pair of frequent words.
    """

    def __init__(self, rows: int, frequent: int, embedding_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows
        self.frequent = frequent
        self.embedding_dim = embedding_dim
        self.pairs = keras.layers.Embedding(rows, embedding_dim, name="pairs")

    def build(self, input_shape: Shape) -> None:
        """Make the table."""
        self.pairs.build(input_shape)
        self.built = True

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:  # noqa: ARG002 - Keras calls it so
        """Return where text is in the output: shape (batch, length), bool."""
        return _text_at_left_edge(inputs)

    def call(self, inputs: Any) -> Any:
        """Embed the pairs of `inputs`."""
        second = _at_left_edge(inputs)
        first = keras.ops.pad(second, ((0, 0), (1, 0)))[:, :-1]
        is_pair = _is_between(first, self.frequent) & _is_between(second, self.frequent)
        # Below 2**31 for every pair that counts; the others are hidden.
        numbers = keras.ops.where(is_pair, first * self.frequent + second, 0)
        embedded = self.pairs(numbers % self.rows)
        return embedded * keras.ops.cast(is_pair, embedded.dtype)[:, :, None]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (batch, length, embedding_dim)."""
        return (*input_shape, self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "rows": self.rows,
            "frequent": self.frequent,
            "embedding_dim": self.embedding_dim,
        }


def _at_left_edge(token_ids: Any) -> Any:
    """Turn each row (batch, length) round until its first token is in the first column."""
    ones = keras.ops.ones_like(token_ids)
    columns, length = keras.ops.cumsum(ones, axis=1) - 1, keras.ops.sum(ones, axis=1, keepdims=True)
    starts = keras.ops.where(keras.ops.not_equal(token_ids, 0), columns, length)
    sources = (columns + keras.ops.min(starts, axis=1, keepdims=True)) % length
    return keras.ops.take_along_axis(token_ids, sources, axis=1)


def _text_at_left_edge(token_ids: Any) -> Any:
    """Return where `_at_left_edge` has text.

    By another way: Keras asks for masks while it builds the network and adds (n, n) and
    (n, 1) then as if the latter were a bias of n columns.
    """
    columns = keras.ops.cumsum(keras.ops.ones_like(token_ids), axis=1)
    is_text = keras.ops.cast(keras.ops.not_equal(token_ids, 0), "int32")
    return columns <= keras.ops.sum(is_text, axis=1, keepdims=True)


def _is_between(token_ids: Any, limit: int) -> Any:
    """Return where there is a word, neither start nor unknown, below `limit`."""
    return (token_ids > UNKNOWN) & (token_ids < limit)
