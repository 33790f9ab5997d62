"""The manifest of a model directory: its files, and what the network answers.

A model directory is flat: the network twice (Keras for training and inspection, ONNX for
serving), the vocabulary, and this manifest. It records what made the files, their digests, and
the answers for a few golden texts. Loading checks all of that, because a model that answers
wrongly looks like one that answers correctly.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from byoi import digest, errors
from byoi.digest import FORMAT_VERSION, MANIFEST_FILE, FileDigest

KERAS_FILE = "model.keras"
ONNX_FILE = "model.onnx"
VOCABULARY_FILE = "vocabulary.json"

# The order of the probabilities, and of the labels in Keras's IMDB data.
LABELS = ("negative", "positive")
GOLDEN_TEXTS = 3
# Processors and runtimes add float32 numbers in different orders, which changes a
# probability by about 1e-6; a wrong vocabulary or weight changes it by more than 1e-2.
GOLDEN_TOLERANCE = 1e-4

_RETRAIN = "train again with `byoi train`, or give another model directory"


@dataclass(frozen=True)
class Golden:
    """A text and its answer at training, which the network must give whenever it is loaded.

    Attributes:
        text: A held-out review.
        label: Its true label, an index into the manifest's labels.
        probabilities: The network's answer, `[p_negative, p_positive]`, each from 0 to 1.
    """

    text: str
    label: int
    probabilities: tuple[float, float]

    @property
    def is_sound(self) -> bool:
        """Whether text, label and probabilities have the types and values described above."""
        return (
            isinstance(self.text, str)
            and self.label in (0, 1)
            and len(self.probabilities) == len(LABELS)
            and all(type(p) in (int, float) and math.isfinite(p) for p in self.probabilities)
        )

    def difference(self, answer: Sequence[float]) -> str:
        """Describe how an answer differs from the expected one.

        Args:
            answer: `[p_negative, p_positive]`.

        Returns:
            "" if no probability differs by more than `GOLDEN_TOLERANCE`.
        """
        pairs = zip(self.probabilities, answer, strict=True)
        # Phrased so that NaN counts as different.
        if all(abs(expected - got) <= GOLDEN_TOLERANCE for expected, got in pairs):
            return ""
        return (
            f"gives {[round(float(p), 6) for p in answer]}, expected "
            f"{[round(p, 6) for p in self.probabilities]} within {GOLDEN_TOLERANCE:g}"
        )


@dataclass(frozen=True)
class Manifest:
    """The content and the origin of a model directory.

    Attributes:
        created_with: Version of each program that made it, by name.
        config: Sizes of the network, `vocabulary_size` and `max_length` among them.
        files: Digest of each other file, by name.
        training_data: Name and digest of the data set, and how it was trained on.
        held_out_accuracy: Share of held-out reviews classified correctly, from 0 to 1.
        golden: At least `GOLDEN_TEXTS` texts with their answers.
        labels: Names of the two classes, in the order of the probabilities.
        format_version: Version of this layout.
    """

    created_with: Mapping[str, str]
    config: Mapping[str, Any]
    files: Mapping[str, FileDigest]
    training_data: Mapping[str, Any]
    held_out_accuracy: float
    golden: tuple[Golden, ...]
    labels: tuple[str, ...] = LABELS
    format_version: int = FORMAT_VERSION

    @classmethod
    def read(cls, model_dir: Path) -> Self:
        """Read the manifest of `model_dir`.

        Raises:
            ModelDataError: The manifest is missing, of another format version, or incomplete.
        """
        content, path = digest.read_manifest(model_dir, _RETRAIN), model_dir / MANIFEST_FILE
        try:
            manifest = cls(
                created_with=dict(content["created_with"]),
                config=dict(content["config"]),
                files=digest.parse_files(content),
                training_data=dict(content["training_data"]),
                held_out_accuracy=content["held_out_accuracy"],
                golden=tuple(
                    Golden(entry["text"], entry["label"], tuple(entry["probabilities"]))
                    for entry in content["golden"]
                ),
                labels=tuple(content["labels"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            cause = f"not a manifest ({type(error).__name__}: {error})"
            raise errors.refusal(path, cause, _RETRAIN) from error
        manifest._check(path)
        return manifest

    def write(self, model_dir: Path) -> None:
        """Write the manifest into `model_dir`; equal manifests give equal files.

        Raises:
            ModelDataError: An attribute is not as the class describes it.
        """
        self._check(model_dir / MANIFEST_FILE)
        text = json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False)
        (model_dir / MANIFEST_FILE).write_text(text + "\n", encoding="ascii", newline="\n")

    def verify(self, model_dir: Path, names: Iterable[str] | None = None) -> None:
        """Compare files with their digests.

        Args:
            model_dir: Where the files lie.
            names: The files that will be used; None for all. Hashing 10 MB takes 10 ms,
                which a server need not spend on files it does not read.

        Raises:
            ModelDataError: A file is missing, not listed, or differs from its digest.
        """
        for name in self.files if names is None else names:
            path = model_dir / name
            if name not in self.files:
                raise errors.refusal(path, f"not listed in {MANIFEST_FILE}", _RETRAIN)
            self.files[name].verify(path, _RETRAIN)

    def replay(
        self, model_dir: Path, predict: Callable[[list[str]], Sequence[Sequence[float]]]
    ) -> None:
        """Predict the golden texts and compare the answers.

        Args:
            model_dir: Where the manifest lies, for the message.
            predict: Takes n texts and returns n pairs `[p_negative, p_positive]`.

        Raises:
            ModelDataError: An answer differs by more than `GOLDEN_TOLERANCE`.
        """
        answers = predict([golden.text for golden in self.golden])
        for number, (golden, answer) in enumerate(zip(self.golden, answers, strict=True), 1):
            if difference := golden.difference(answer):
                remedy = f"use the versions under created_with, or {_RETRAIN}"
                cause = f"golden text {number} {difference}"
                raise errors.refusal(model_dir / MANIFEST_FILE, cause, remedy)

    def _check(self, path: Path) -> None:
        """Refuse values that would fail later, or unnoticed."""
        sizes = [self.config.get(key) for key in ("vocabulary_size", "max_length")]
        accuracy = self.held_out_accuracy
        wrong = [
            what
            for what, is_right in {
                "files": all(map(digest.is_plain_name, self.files)),
                "config": all(type(size) is int and size > 0 for size in sizes),
                "held_out_accuracy": type(accuracy) in (int, float) and 0 <= accuracy <= 1,
                "labels": len(self.labels) == len(LABELS)
                and all(isinstance(label, str) for label in self.labels),
                "golden": len(self.golden) >= GOLDEN_TEXTS
                and all(golden.is_sound for golden in self.golden),
            }.items()
            if not is_right
        ]
        if wrong:
            raise errors.refusal(path, f"{', '.join(wrong)} not as docs/formats.md says", _RETRAIN)


def digests(model_dir: Path) -> dict[str, FileDigest]:
    """Return the digest of each file that a manifest lists, by name.

    Raises:
        ModelDataError: A file is missing from `model_dir`.
    """
    return {
        name: FileDigest.read(model_dir / name, _RETRAIN)
        for name in (KERAS_FILE, ONNX_FILE, VOCABULARY_FILE)
    }
