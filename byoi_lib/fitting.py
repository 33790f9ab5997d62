"""Fitting the network: the recipe, and the passes over the batches."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from tqdm import tqdm

from byoi_lib.batches import Batches
from byoi_lib.quiet_tensorflow import keras, tf


@dataclass(frozen=True)
class Recipe:
    """How the network learns.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Reviews in one step.
        learning_rate: Its largest value; it rises to it and falls along a cosine.
        warm_up: Share of all steps in which it rises.
    """

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 4e-3
    warm_up: float = 0.1

    @classmethod
    def for_reviews(cls, count: int) -> Self:
        """Choose a recipe for `count` reviews: few reviews are read more often."""
        return cls(epochs=max(3, min(12, math.ceil(18_000 / max(count, 1)))))


def fit(
    network: keras.Model, train_part: Batches, curve: Batches, recipe: Recipe, progress: bool
) -> dict[str, list[float]]:
    """Train `network` in place.

    Args:
        network: Takes token ids, shape (batch, width), and gives two probabilities a row.
        train_part: What it learns from.
        curve: Held-out reviews it is judged by after each epoch.
        recipe: How it learns.
        progress: Draw a bar for each epoch on stderr.

    Returns:
        `loss`, `accuracy`, `held_out_loss` and `held_out_accuracy`: a number for each epoch.
    """
    steps = recipe.epochs * len(train_part)
    rising = int(steps * recipe.warm_up)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        steps - rising,
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=rising,
    )
    network.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # a compilation for each width costs more than it saves
    )
    history = network.fit(
        _stream(train_part),
        validation_data=_stream(curve),
        epochs=recipe.epochs,
        shuffle=False,  # each pass over the batches is in another order already
        verbose=0,
        callbacks=[_Progress(recipe.epochs, len(train_part))] if progress else [],
    ).history
    names = {"val_loss": "held_out_loss", "val_accuracy": "held_out_accuracy"}
    return {names.get(name, name): values for name, values in history.items()}


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """One bar for each epoch, on stderr, so that stdout holds results only."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs, self._steps = epochs, steps

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._bar = tqdm(
            total=self._steps,
            desc=f"epoch {epoch + 1}/{self._epochs}",
            unit="batch",
            # In a log each step of the bar is a line.
            mininterval=0.1 if sys.stderr.isatty() else 5.0,
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        logs = logs or {}
        self._bar.set_postfix(
            {name: f"{logs[name]:.3f}" for name in ("loss", "accuracy", "val_accuracy")}
        )
        self._bar.close()


def _stream(batches: Batches) -> tf.data.Dataset:
    """Let TensorFlow make the next batch while it works on this one; widths stay free."""

    def generate() -> Iterator[Any]:
        yield from batches

    signature = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32))
    stream = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2)
