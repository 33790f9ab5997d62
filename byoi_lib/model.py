"""The Keras classifier: token ids of a review to two probabilities.

The network of the Keras code example "Text classification with Transformer", with three
differences, each for a reason: padding is masked everywhere and positions count from the
text's own edge, so that an answer does not depend on the width a review is padded to; and
a direct path from the embeddings to the classifier lets the words speak for themselves.
"""

from dataclasses import dataclass
from typing import Any

from byoi_lib.quiet_tensorflow import keras

PACKAGE = "byoi"


@dataclass(frozen=True)
class ModelConfig:
    """Sizes that fix the network.

    Attributes:
        vocabulary_size: Rows of the embedding table; token ids are below it.
        max_length: Most tokens of one review.
        embedding_dim: Columns of the embedding table.
        num_heads: Heads of the attention; divides `embedding_dim`.
        feed_forward_dim: Units of the hidden layer in the transformer block.
        hidden_dim: Units of the hidden layer of the classifier.
        dropout: Share of the pooled features that training hides, from 0 to 1.
    """

    vocabulary_size: int = 20_000
    max_length: int = 400
    embedding_dim: int = 32
    num_heads: int = 2
    feed_forward_dim: int = 32
    hidden_dim: int = 20
    dropout: float = 0.4


@keras.saving.register_keras_serializable(package=PACKAGE)
class TokenAndPositionEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Embed each token and its place in the text.

    Places count from the text's first token, wherever padding puts it.

    Args:
        vocabulary_size: Rows of the token table.
        max_length: Rows of the position table.
        embedding_dim: Columns of both.

    Input shape: (batch, length), int32, padding is 0.
    Output shape: (batch, length, embedding_dim), float32, zero where padding is.
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

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make both tables."""
        self.tokens.build(input_shape)
        self.positions.build(input_shape)
        self.built = True

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:  # noqa: ARG002 - Keras calls it so
        """Return what is text: shape (batch, length), bool."""
        return keras.ops.not_equal(inputs, 0)

    def call(self, inputs: Any) -> Any:
        """Embed `inputs`."""
        is_text = keras.ops.cast(keras.ops.not_equal(inputs, 0), "int32")
        places = keras.ops.clip(keras.ops.cumsum(is_text, axis=1) - 1, 0, self.max_length - 1)
        embedded = self.tokens(inputs) + self.positions(places)
        return embedded * keras.ops.cast(is_text, embedded.dtype)[:, :, None]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
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
class TransformerBlock(keras.layers.Layer):  # type: ignore[misc]
    """Let each token attend to all others, then transform each by itself.

    Args:
        embedding_dim: Size of each token's vector, in and out.
        num_heads: Heads of the attention.
        feed_forward_dim: Units of the hidden layer.

    Input shape: (batch, length, embedding_dim), float32, with a mask.
    Output shape: the same, with the same mask.
    """

    def __init__(
        self, embedding_dim: int, num_heads: int, feed_forward_dim: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.embedding_dim = embedding_dim
        self.num_heads = num_heads
        self.feed_forward_dim = feed_forward_dim
        self.attention = keras.layers.MultiHeadAttention(
            num_heads, embedding_dim // num_heads, name="attention"
        )
        self.hidden = keras.layers.Dense(feed_forward_dim, activation="relu", name="hidden")
        self.output_dense = keras.layers.Dense(embedding_dim, name="output")
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="attention_norm")
        self.output_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="output_norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of every part."""
        self.attention.build(input_shape, input_shape)
        self.attention_norm.build(input_shape)
        self.hidden.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.feed_forward_dim))
        self.output_norm.build(input_shape)
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Transform `inputs`; what `mask` (batch, length) hides is attended to by none."""
        visible = None if mask is None else mask[:, None, :]
        attended = self.attention(inputs, inputs, attention_mask=visible)
        attended = self.attention_norm(inputs + attended)
        return self.output_norm(attended + self.output_dense(self.hidden(attended)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "embedding_dim": self.embedding_dim,
            "num_heads": self.num_heads,
            "feed_forward_dim": self.feed_forward_dim,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskedMean(keras.layers.Layer):  # type: ignore[misc]
    """Average the vectors of a text, padding left out.

    Input shape: (batch, length, embedding_dim), float32, with a mask.
    Output shape: (batch, embedding_dim); zero for a text of padding alone.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002 - Keras calls it so
        """Make nothing: an average has no weights."""
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: no padding is left."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Average `inputs` over the places that `mask` (batch, length) shows."""
        if mask is None:
            return keras.ops.mean(inputs, axis=1)
        weights = keras.ops.cast(mask, inputs.dtype)[:, :, None]
        return keras.ops.sum(inputs * weights, axis=1) / keras.ops.maximum(
            keras.ops.sum(weights, axis=1), 1.0
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, embedding_dim)."""
        return (input_shape[0], input_shape[-1])


def build_model(config: ModelConfig) -> keras.Model:
    """Build the untrained classifier.

    Input shape: (batch, length), int32 token ids as `preprocessing.pad` gives them, any
    length from 1 to `config.max_length`.
    Output shape: (batch, 2), float32, `[p_negative, p_positive]`, adding up to 1.

    Source: Keras code example "Text classification with Transformer".
    """
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    embedded = TokenAndPositionEmbedding(
        config.vocabulary_size, config.max_length, config.embedding_dim, name="embedding"
    )(tokens)
    transformed = TransformerBlock(
        config.embedding_dim, config.num_heads, config.feed_forward_dim, name="transformer"
    )(embedded)
    words = MaskedMean(name="mean_of_words")(embedded)
    context = MaskedMean(name="mean_in_context")(transformed)
    features = keras.layers.Concatenate(name="features")([words, context])
    features = keras.layers.Dropout(config.dropout, name="features_dropout")(features)
    hidden = keras.layers.Dense(config.hidden_dim, activation="relu", name="hidden")(features)
    hidden = keras.layers.Dropout(config.dropout, name="hidden_dropout")(hidden)
    probabilities = keras.layers.Dense(2, activation="softmax", name="probabilities")(hidden)
    return keras.Model(tokens, probabilities, name="review_classifier")
