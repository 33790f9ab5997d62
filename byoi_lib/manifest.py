"""The manifest of a model directory: what its files are and what the network answers.

A model directory is flat: the network twice (Keras for training and inspection, ONNX
for serving), the vocabulary, and this manifest, which says what made them, what each
file holds, and what the network answers for a few texts. Loading checks all of that,
since a model that answers wrongly looks like one that answers rightly.

A golden text: what the network answers for it at training, and must answer ever after.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from byoi import errors
from byoi.digest import FileDigest

LABELS = ("negative", "positive")
# Processors and runtimes add float32 numbers in different orders, which moves a
# probability by some 1e-6; a wrong vocabulary or weight moves it by more than 1e-2.
GOLDEN_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Golden:
    """One text and what the network answers for it, replayed whenever it is loaded.

    Attributes:
        text: A held-out review.
        label: Its true label, an index into the manifest's labels.
        probabilities: What the network gave, `[p_negative, p_positive]`.
    """

    text: str
    label: int
    probabilities: tuple[float, float]

    @property
    def is_sound(self) -> bool:
        """Whether text, label and probabilities are of the kinds they should be."""
        return (
            isinstance(self.text, str)
            and self.label in (0, 1)
            and len(self.probabilities) == len(LABELS)
            and all(type(p) in (int, float) and math.isfinite(p) for p in self.probabilities)
        )

    def difference(self, answer: Sequence[float]) -> str:
        """Return how an answer differs by more than `TOLERANCE`, "" where it does not."""
        pairs = zip(self.probabilities, answer, strict=True)
        # Written so that a difference of NaN is one too.
        if all(abs(expected - got) <= GOLDEN_TOLERANCE for expected, got in pairs):
            return ""
        return (
            f"gives {[round(float(p), 6) for p in answer]}, expected "
            f"{[round(p, 6) for p in self.probabilities]} within {GOLDEN_TOLERANCE:g}"
        )


KERAS_FILE = "model.keras"
ONNX_FILE = "model.onnx"
VOCABULARY_FILE = "vocabulary.json"
MANIFEST_FILE = "manifest.json"

FORMAT_VERSION = 1
GOLDEN_TEXTS = 3

_AGAIN = "train again with `byoi train`, or give another model directory"
# No folder, no hidden file, and so none of macOS's `._*` companions.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Manifest:
    """What a model directory holds and where it came from.

    Attributes:
        created_with: Version of each program that made it, by name.
        config: Sizes of the network; `vocabulary_size` and `max_length` among them.
        files: Digest of each other file, by name.
        training_data: Name and digest of what it was trained on.
        held_out_accuracy: Share of held-out reviews classified right, from 0 to 1.
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
            ModelDataError: It is missing, of another format version, or incomplete.
        """
        path = model_dir / MANIFEST_FILE
        try:
            content = json.loads(path.read_bytes())
        except OSError as error:
            raise errors.refusal(path, str(error.strerror), _AGAIN) from error
        except (ValueError, RecursionError) as error:
            raise errors.refusal(path, f"not JSON ({type(error).__name__})", _AGAIN) from error
        version = content.get("format_version") if isinstance(content, dict) else None
        if version != FORMAT_VERSION:
            cause = f"format version {version!r}, expected {FORMAT_VERSION}"
            raise errors.refusal(path, cause, f"use the byoi that wrote it, or {_AGAIN}")
        try:
            manifest = cls(
                created_with=dict(content["created_with"]),
                config=dict(content["config"]),
                files={name: FileDigest(**entry) for name, entry in content["files"].items()},
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
            raise errors.refusal(path, cause, _AGAIN) from error
        manifest._check(path)
        return manifest

    def write(self, model_dir: Path) -> None:
        """Write the manifest into `model_dir`; equal manifests are equal files.

        Raises:
            ModelDataError: An attribute is not what the class says of it.
        """
        self._check(model_dir / MANIFEST_FILE)
        text = json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False)
        (model_dir / MANIFEST_FILE).write_text(text + "\n", encoding="ascii", newline="\n")

    def verify(self, model_dir: Path, names: Iterable[str] | None = None) -> None:
        """Compare files with their digests.

        Args:
            model_dir: Where the files lie.
            names: The files that will be used; all when None. Hashing 10 MB takes
                10 ms, which a server need not spend on a file it does not read.

        Raises:
            ModelDataError: A file is missing, or not the one the manifest describes.
        """
        for name in self.files if names is None else names:
            path = model_dir / name
            if name not in self.files:
                raise errors.refusal(path, f"not listed in {MANIFEST_FILE}", _AGAIN)
            self.files[name].verify(path, MANIFEST_FILE, _AGAIN)

    def replay(
        self, model_dir: Path, predict: Callable[[list[str]], Sequence[Sequence[float]]]
    ) -> None:
        """Predict the golden texts and compare the answers.

        Args:
            model_dir: Where the manifest lies, for the message.
            predict: n texts to n pairs of probabilities.

        Raises:
            ModelDataError: An answer is off by more than `golden.TOLERANCE`.
        """
        answers = predict([golden.text for golden in self.golden])
        for number, (golden, answer) in enumerate(zip(self.golden, answers, strict=True), 1):
            if difference := golden.difference(answer):
                remedy = f"use the versions under created_with, or {_AGAIN}"
                cause = f"golden text {number} {difference}"
                raise errors.refusal(model_dir / MANIFEST_FILE, cause, remedy)

    def _check(self, path: Path) -> None:
        """Refuse values that would only fail later, or not at all."""
        sizes = [self.config.get(key) for key in ("vocabulary_size", "max_length")]
        accuracy = self.held_out_accuracy
        wrong = [
            what
            for what, is_right in {
                "files": all(_PLAIN_NAME.fullmatch(name) for name in self.files),
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
            raise errors.refusal(path, f"{', '.join(wrong)} not as docs/formats.md says", _AGAIN)


def digests(model_dir: Path) -> dict[str, FileDigest]:
    """Return the digest of each file a manifest lists, by name.

    Raises:
        ModelDataError: One of them is missing from `model_dir`.
    """
    return {
        name: FileDigest.read(model_dir / name, _AGAIN)
        for name in (KERAS_FILE, ONNX_FILE, VOCABULARY_FILE)
    }
