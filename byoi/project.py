"""The folder of a model of one's own: where its parts are.

`byoi init` makes such a folder, and `serve`, `image`, `pack` and `deploy` find their parts in it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from byoi import errors

MODULE = "inference.py"
MODEL_DIR = "model"
CODE_DIR = "code"
REQUIREMENTS = "requirements.txt"
SAMPLE = "sample_request"
TRAINING_SCRIPT = "train.py"
_TEST = re.compile(r"tests?|test_.*\.py|.*_test\.py|conftest\.py")
_HIDDEN = re.compile(r"\..*|__pycache__|.*\.pyc")


@dataclass(frozen=True)
class Project:
    """The parts of one folder; each but the folder is None where it does not exist.

    Attributes:
        folder: The folder.
        module: The inference module, `inference.py` or `code/inference.py`.
        model_dir: The model directory, `model`, which training writes.
        requirements: What the image gets, `requirements.txt`.
        sample: A body to try, `sample_request` with the ending of its media type.
    """

    folder: Path
    module: Path | None = None
    model_dir: Path | None = None
    requirements: Path | None = None
    sample: Path | None = None

    @classmethod
    def find(cls, folder: Path) -> Self:
        """Look for the parts of a project.

        Raises:
            ConfigurationError: There is no such folder, or it has several sample requests.
        """
        if not folder.is_dir():
            raise errors.ConfigurationError(f"{folder} is not a folder; name that of your project")
        samples = sorted(path for path in folder.glob(f"{SAMPLE}.*") if path.is_file())
        if len(samples) > 1:
            raise errors.ConfigurationError(
                f"{folder} has several sample requests, "
                f"{', '.join(path.name for path in samples)}; keep one"
            )
        model_dir = folder / MODEL_DIR
        return cls(
            folder,
            module=_file(folder / MODULE) or _file(folder / CODE_DIR / MODULE),
            model_dir=model_dir if model_dir.is_dir() else None,
            requirements=_file(folder / REQUIREMENTS),
            sample=samples[0] if samples else None,
        )


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the author's: hidden, or Python's cache."""
    return _HIDDEN.fullmatch(name) is not None


def is_test(name: str) -> bool:
    """Whether a file or folder of this name holds tests."""
    return _TEST.fullmatch(name) is not None


def is_importable(path: Path) -> bool:
    """Whether a module of the same folder could import a file or folder, and it is no test."""
    if is_test(path.name):
        return False
    if path.is_file():
        return path.suffix == ".py"
    return path.name.isidentifier() and path.is_dir() and any(path.glob("*.py"))


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None
