"""The Keras layers of the classifier: embeddings, phrases, attention and means.

Padding never changes an answer: the embeddings move each text to the left edge and count
places from there, so neither the width of the batch nor the side of the padding matters, and
the other layers read text only. All layers are registered under `PACKAGE`, so that importing
this module is enough to load a saved network.

Source: Keras code example "Text classification with Transformer" (tokens, places, attention).
"""

from typing import Any

from byoi_lib._tensorflow import keras
from byoi_lib.vocabulary import UNKNOWN

# Part of the names in saved networks.
PACKAGE = "byoi"

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package=PACKAGE)
class TokenAndPositionEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Embed each token and its place in the text, and move the text to the left edge.

    Places count from the first token of the text, on whichever side the padding is.

    Args:
        vocabulary_size: Rows of the token table.
        max_length: Rows of the position table; later places share the last row.
        embedding_dim: Columns of both tables.

    Input shape: (batch, length), int32, token ids from 0 to vocabulary_size - 1, 0 as padding.
    Output shape: (batch, length, embedding_dim), float32, text on the left, zero where there
    is padding.
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

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:  # noqa: ARG002 - Keras passes it
        """Return which places of the output hold text: shape (batch, length), bool."""
        return _text_at_left_edge(inputs)

    def call(self, inputs: Any) -> Any:
        """Embed token ids of shape (batch, length)."""
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
    """Embed each word together with the word before it: "not good" differs from "good".

    There are too many pairs for one row each: they share rows by a hash, and only pairs of
    frequent words count.

    Args:
        rows: Rows of the table, a prime number for an even spread.
        frequent: Token ids below it are frequent words; at most 46,340, whose square still
            fits int32.
        embedding_dim: Columns of the table.

    Input shape: (batch, length), int32, token ids, 0 as padding.
    Output shape: (batch, length, embedding_dim), float32, text on the left, zero where a
    place and the one before it are not a pair of frequent words.
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

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:  # noqa: ARG002 - Keras passes it
        """Return which places of the output hold text: shape (batch, length), bool."""
        return _text_at_left_edge(inputs)

    def call(self, inputs: Any) -> Any:
        """Embed the pairs in token ids of shape (batch, length)."""
        second = _at_left_edge(inputs)
        first = keras.ops.pad(second, ((0, 0), (1, 0)))[:, :-1]
        is_pair = _is_between(first, self.frequent) & _is_between(second, self.frequent)
        # Below 2**31 for every pair that counts; the others are zeroed.
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


@keras.saving.register_keras_serializable(package=PACKAGE)
class PhraseMean(keras.layers.Layer):  # type: ignore[misc]
    """Average groups of consecutive tokens, counted from the start of the text.

    The cost of attention grows with the square of the length, so long texts are read in phrases.

    Args:
        tokens: Tokens of one phrase; the last phrase of a text may have fewer.

    Input shape: (batch, length, embedding_dim), float32, text on the left, with a mask.
    Output shape: (batch, phrases, embedding_dim), float32, zero where there is only padding,
    with a mask; phrases is length / tokens, rounded up.
    """

    def __init__(self, tokens: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tokens = tokens

    def build(self, input_shape: Shape) -> None:  # noqa: ARG002 - Keras passes it
        """Do nothing: an average has no weights."""
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:  # noqa: ARG002 - Keras passes it
        """Return which phrases hold text: shape (batch, phrases), bool."""
        if mask is None:
            return None
        # By pooling: Keras calls this while it builds the network, when the length is unknown.
        is_text = keras.ops.cast(mask, "float32")[:, :, None]
        is_text = keras.ops.pad(is_text, ((0, 0), (0, self.tokens - 1), (0, 0)))
        return keras.ops.max_pool(is_text, self.tokens, self.tokens)[:, :, 0] > 0

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Average `inputs` over the places where `mask`, shape (batch, length), is True."""
        if mask is None:
            mask = keras.ops.ones_like(inputs[:, :, 0], dtype="bool")
        is_text = keras.ops.cast(mask, inputs.dtype)[:, :, None]
        sums = keras.ops.sum(self._phrases(inputs * is_text), axis=2)
        counts = keras.ops.sum(self._phrases(is_text), axis=2)
        return sums / keras.ops.maximum(counts, 1.0)

    def _phrases(self, values: Any) -> Any:
        """Split (batch, length, size) into (batch, phrases, tokens, size), padded on the right."""
        length, size = keras.ops.shape(values)[1], values.shape[-1]
        # Not `-length % tokens`: ONNX gives the remainder the sign of the number divided.
        missing = (self.tokens - length % self.tokens) % self.tokens
        values = keras.ops.pad(values, ((0, 0), (0, missing), (0, 0)))
        phrases = (length + missing) // self.tokens
        return keras.ops.reshape(values, (-1, phrases, self.tokens, size))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (batch, phrases, embedding_dim)."""
        batch, length, embedding_dim = input_shape
        phrases = None if length is None else -(-length // self.tokens)
        return (batch, phrases, embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {"tokens": self.tokens}


@keras.saving.register_keras_serializable(package=PACKAGE)
class TransformerBlock(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention, then a feed-forward network, each with dropout and a residual sum.

    Args:
        embedding_dim: Size of each token's vector, in and out.
        num_heads: Heads of the attention; divides `embedding_dim`.
        feed_forward_dim: Units of the hidden layer.
        dropout: Share of each half's output that training drops, from 0 to 1.

    Input shape: (batch, length, embedding_dim), float32, with a mask.
    Output shape: (batch, length, embedding_dim), float32, with the same mask.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_heads: int,
        feed_forward_dim: int,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.embedding_dim = embedding_dim
        self.num_heads = num_heads
        self.feed_forward_dim = feed_forward_dim
        self.dropout = dropout
        layers = keras.layers
        self.attention = layers.MultiHeadAttention(
            num_heads, embedding_dim // num_heads, name="attention"
        )
        self.attention_dropout = layers.Dropout(dropout, name="attention_dropout")
        self.attention_norm = layers.LayerNormalization(epsilon=1e-6, name="attention_norm")
        self.hidden = layers.Dense(feed_forward_dim, activation="relu", name="hidden")
        self.outer = layers.Dense(embedding_dim, name="outer")
        self.outer_dropout = layers.Dropout(dropout, name="outer_dropout")
        self.outer_norm = layers.LayerNormalization(epsilon=1e-6, name="outer_norm")

    def build(self, input_shape: Shape) -> None:
        """Make the weights of every part."""
        self.attention.build(input_shape, input_shape)
        self.attention_norm.build(input_shape)
        self.hidden.build(input_shape)
        self.outer.build((*input_shape[:-1], self.feed_forward_dim))
        self.outer_norm.build(input_shape)
        self.built = True

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Transform `inputs`; no place attends to one where `mask`, (batch, length), is False."""
        visible = None if mask is None else mask[:, None, :]
        added = self.attention(inputs, inputs, attention_mask=visible)
        attended = self.attention_norm(inputs + self.attention_dropout(added, training=training))
        added = self.outer(self.hidden(attended))
        return self.outer_norm(attended + self.outer_dropout(added, training=training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "embedding_dim": self.embedding_dim,
            "num_heads": self.num_heads,
            "feed_forward_dim": self.feed_forward_dim,
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskedMean(keras.layers.Layer):  # type: ignore[misc]
    """Average the vectors of a text, without its padding.

    Input shape: (batch, length, embedding_dim), float32, with a mask.
    Output shape: (batch, embedding_dim), float32, zero for a text of padding only.
    """

    def build(self, input_shape: Shape) -> None:  # noqa: ARG002 - Keras passes it
        """Do nothing: an average has no weights."""
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: the output has no padding."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Average `inputs` over the places where `mask`, shape (batch, length), is True."""
        if mask is None:
            return keras.ops.mean(inputs, axis=1)
        is_text = keras.ops.cast(mask, inputs.dtype)[:, :, None]
        counts = keras.ops.maximum(keras.ops.sum(is_text, axis=1), 1.0)
        return keras.ops.sum(inputs * is_text, axis=1) / counts

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (batch, embedding_dim)."""
        return (input_shape[0], input_shape[-1])


def _at_left_edge(token_ids: Any) -> Any:
    """Rotate each row of (batch, length) until its first token is in the first column."""
    ones = keras.ops.ones_like(token_ids)
    columns, length = keras.ops.cumsum(ones, axis=1) - 1, keras.ops.sum(ones, axis=1, keepdims=True)
    starts = keras.ops.where(keras.ops.not_equal(token_ids, 0), columns, length)
    sources = (columns + keras.ops.min(starts, axis=1, keepdims=True)) % length
    return keras.ops.take_along_axis(token_ids, sources, axis=1)


def _text_at_left_edge(token_ids: Any) -> Any:
    """Return which places hold text in `_at_left_edge`: shape (batch, length), bool.

    Computed without it: Keras asks for masks while it builds the network, and then adds
    (n, n) and (n, 1) as if the latter were a bias of n columns.
    """
    columns = keras.ops.cumsum(keras.ops.ones_like(token_ids), axis=1)
    is_text = keras.ops.cast(keras.ops.not_equal(token_ids, 0), "int32")
    return columns <= keras.ops.sum(is_text, axis=1, keepdims=True)


def _is_between(token_ids: Any, limit: int) -> Any:
    """Return which ids of (batch, length) are words below `limit`, not start or unknown."""
    return (token_ids > UNKNOWN) & (token_ids < limit)
