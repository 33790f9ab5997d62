"""The input and output files of a training job under another root."""

import json
from pathlib import Path

from byoi import contract


def place(root: Path, path: Path) -> Path:
    """Return a path of the contract under `root`; its folder exists afterwards."""
    found = root / path.relative_to("/")
    found.parent.mkdir(parents=True, exist_ok=True)
    return found


def configure(root: Path, hyperparameters: object) -> None:
    place(root, contract.HYPERPARAMETERS_FILE).write_text(json.dumps(hyperparameters))


def failure(root: Path) -> str:
    return place(root, contract.FAILURE_FILE).read_text()
