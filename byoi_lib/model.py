"""The Keras classifier: token ids of a review to two probabilities.

The network of the Keras code example "Text classification with Transformer", with three
differences:

* Padding is masked everywhere, so that an answer does not depend on the padded width.
* Attention reads long reviews in phrases: twice the text in the time of the example.
* The mean of the embeddings also goes to the classifier directly, past the attention.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from byoi_lib import layers
from byoi_lib._tensorflow import keras

_MOST_TOKENS = 512
_SHORT_TOKENS = 128


@dataclass(frozen=True)
class ModelConfig:
    """Sizes that fix the network.

    Attributes:
        vocabulary_size: Rows of the token table; token ids are below it.
        max_length: Largest number of tokens of one review.
        phrase_tokens: Tokens that attention reads as one; 1 for each token by itself.
        embedding_dim: Columns of the embedding tables.
        pair_rows: Rows of the table of word pairs.
        pair_words: Pairs count if the token ids of both words are below it.
        num_heads: Heads of the attention; divides `embedding_dim`.
        feed_forward_dim: Units of the hidden layer in the transformer block.
        hidden_dim: Units of the hidden layer of the classifier.
        word_dropout: Share of the words that training drops, from 0 to 1.
        pair_dropout: Share of the pairs of words that training drops, from 0 to 1.
        dropout: Share of the pooled features that training drops, from 0 to 1.
    """

    vocabulary_size: int = 20_000
    max_length: int = _MOST_TOKENS
    phrase_tokens: int = 8
    embedding_dim: int = 24
    pair_rows: int = 65_521
    pair_words: int = 3_000
    num_heads: int = 2
    feed_forward_dim: int = 32
    hidden_dim: int = 64
    word_dropout: float = 0.35
    pair_dropout: float = 0.75
    dropout: float = 0.5

    @classmethod
    def for_lengths(cls, lengths: Iterable[int]) -> Self:
        """Choose the sizes for reviews of these lengths, in tokens.

        Long reviews repeat themselves: two thirds of their words are enough for training, and
        phrases for attention. In short ones any word may reverse the meaning.
        """
        longest = min(max(lengths, default=1), _MOST_TOKENS)
        if longest <= _SHORT_TOKENS:
            return cls(
                max_length=longest,
                phrase_tokens=1,
                pair_rows=16_381,
                word_dropout=0.1,
                pair_dropout=0.1,
            )
        return cls(max_length=longest)


def build_model(config: ModelConfig) -> keras.Model:
    """Build the untrained classifier.

    Input shape: (batch, length), int32, token ids as `preprocessing.pad` returns them, with
    any length from 1 to `config.max_length`.
    Output shape: (batch, 2), float32, `[p_negative, p_positive]`, each from 0 to 1, sum 1.

    Source: Keras code example "Text classification with Transformer".
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    # One decision for all columns of a word: it is dropped as a whole.
    words = layers.TokenAndPositionEmbedding(
        config.vocabulary_size, config.max_length, config.embedding_dim, name="embedding"
    )(token_ids)
    words = keras.layers.Dropout(
        config.word_dropout, noise_shape=(None, None, 1), name="word_dropout"
    )(words)
    pairs = layers.PairEmbedding(
        config.pair_rows, config.pair_words, config.embedding_dim, name="pairs"
    )(token_ids)
    pairs = keras.layers.Dropout(
        config.pair_dropout, noise_shape=(None, None, 1), name="pair_dropout"
    )(pairs)
    embedded = keras.layers.Add(name="words_and_pairs")([words, pairs])
    phrases = embedded
    if config.phrase_tokens > 1:
        phrases = layers.PhraseMean(config.phrase_tokens, name="phrases")(embedded)
    transformed = layers.TransformerBlock(
        config.embedding_dim, config.num_heads, config.feed_forward_dim, name="transformer"
    )(phrases)
    direct = layers.MaskedMean(name="mean_of_words")(embedded)
    context = layers.MaskedMean(name="mean_in_context")(transformed)
    features = keras.layers.Concatenate(name="features")([direct, context])
    features = keras.layers.Dropout(config.dropout, name="features_dropout")(features)
    hidden = keras.layers.Dense(config.hidden_dim, activation="relu", name="hidden")(features)
    hidden = keras.layers.Dropout(config.dropout, name="hidden_dropout")(hidden)
    probabilities = keras.layers.Dense(2, activation="softmax", name="probabilities")(hidden)
    return keras.Model(token_ids, probabilities, name="review_classifier")
