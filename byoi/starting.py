"""A small project to start from, written for `byoi init`.

What it consists of are the files in `templates`: those of `every` kind, and those of the one that
was chosen, which come instead where both have a name.
"""

from pathlib import Path

from byoi import errors

KINDS = ("sklearn", "xgboost", "keras", "onnx", "custom")
_TEMPLATES = Path(__file__).with_name("templates")
_EVERY = "every"
# What stands in the templates for the name of the project.
_NAME = "PROJECT_NAME"
# Their own names would change what git and the tools of this repository see.
_RENAMED = {"gitignore": ".gitignore"}
_PYTHON_CACHE = "__pycache__"


def write(folder: Path, kind: str) -> list[str]:
    """Write a project.

    Args:
        folder: Is made; its name becomes that of the image and of the endpoint, with hyphens for
            underscores.
        kind: One of `KINDS`.

    Returns:
        The names of the files, sorted.

    Raises:
        ConfigurationError: There is something of this name already, it is no name of an endpoint
            and an image, or nothing can be written there.
    """
    # The name of a Python module may have underscores, that of an endpoint none.
    name = folder.absolute().name.replace("_", "-")
    _require_name(name)
    files = {
        _RENAMED.get(path.name, path.name): path
        for part in (_EVERY, kind)
        for path in (_TEMPLATES / part).iterdir()
        if path.name != _PYTHON_CACHE
    }
    try:
        _require_free(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for target, source in files.items():
            text = source.read_text(encoding="utf-8").replace(_NAME, name)
            # x: of two at once, one fails.
            with (folder / target).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise errors.ConfigurationError(
            f"{folder} cannot be written: {error.strerror}; name another folder"
        ) from error
    return sorted(files)


def _require_name(name: str) -> None:
    from byoi import names  # noqa: PLC0415 - `byoi --help` needs the kinds alone

    names.check_endpoint_name(name)
    if name != name.lower():
        raise errors.ConfigurationError(
            f"{name!r} is to be the name of an image, too, which has small letters only; take "
            f"{name.lower()!r}"
        )


def _require_free(folder: Path) -> None:
    if folder.is_dir():
        if found := sorted(path.name for path in folder.iterdir()):
            raise errors.ConfigurationError(
                f"{folder} is not empty, it holds {found[0]}, and nothing is overwritten; name a "
                "folder that does not exist"
            )
    elif folder.exists() or folder.is_symlink():
        raise errors.ConfigurationError(
            f"{folder} is no folder, and nothing is overwritten; name one that does not exist"
        )
