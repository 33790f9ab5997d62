"""A new project for a model of one's own, as `byoi init` writes it.

The files come from `byoi/templates`: those of `common` for every kind, and those of the kind, which
take their place where both have one.
"""

import re
import string
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from byoi import errors

_COMMON = "common"
_ENDING = ".template"
# The name becomes that of an endpoint (API CreateEndpoint: letters, digits and hyphens, at most
# 63) and of an image (letters in lower case).
_NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,62}")
_NAME_CHARACTERS = 63
# What each kind puts into the README that all have.
_SERVED_AS_IT_IS = "Without `inference.py`, `model.{}` is served as it is."
_TEXTS = {
    "sklearn": {"base": "", "note": ""},
    "xgboost": {"base": "", "note": _SERVED_AS_IT_IS.format("ubj")},
    "keras": {"base": " --base byoi:tensorflow", "note": _SERVED_AS_IT_IS.format("keras")},
    "onnx": {"base": "", "note": _SERVED_AS_IT_IS.format("onnx")},
    "custom": {"base": "", "note": ""},
}
KINDS = tuple(_TEXTS)


def create(folder: Path, kind: str) -> list[str]:
    """Write a new project.

    Args:
        folder: Created where it does not exist; its name becomes that of the endpoint.
        kind: One of `KINDS`.

    Returns:
        The names of the files, sorted.

    Raises:
        ConfigurationError: The kind is unknown, the name cannot be that of an endpoint and an
            image, or the folder has something in it.
    """
    if kind not in KINDS:
        raise errors.ConfigurationError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
    name = folder.absolute().name
    if not _NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS:
        raise errors.ConfigurationError(
            f"{name!r} cannot be the name of a project, which becomes that of an endpoint and of "
            f"an image: expected 1 to {_NAME_CHARACTERS} letters in lower case, digits and single "
            "hyphens between them, for example my-model"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise errors.ConfigurationError(
            f"{folder} exists and is not an empty folder; nothing was written. Choose another name"
        )
    texts = {"name": name, **_TEXTS[kind]}
    files = {
        template.name.removesuffix(_ENDING): template
        for part in (_COMMON, kind)
        for template in _templates(part)
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, template in files.items():
        text = string.Template(template.read_text(encoding="utf-8")).substitute(texts)
        (folder / file).write_text(text.rstrip() + "\n", encoding="utf-8")
    return sorted(files)


def _templates(part: str) -> list[Traversable]:
    folder = resources.files("byoi") / "templates" / part
    return [file for file in folder.iterdir() if file.name.endswith(_ENDING)]
