"""Where the container's files lie: in the installed package or beside it in a checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def find(name: str, package: Path = PACKAGE) -> Path:
    """Return the path of a file of the container folder.

    Args:
        name: File name, for example `gunicorn.conf.py`.
        package: The folder of `byoi_lib`.

    Raises:
        FileNotFoundError: Neither place has it.
    """
    for folder in (package / "_container", package.parent / "container"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} is neither in {package}/_container nor in the checkout")
