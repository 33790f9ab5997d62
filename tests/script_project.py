"""A folder with a script and a module beside it, a module elsewhere, and model data."""

from pathlib import Path
from types import SimpleNamespace

from byoi import model_data


def make(folder: Path, name: str, script: str, beside: str) -> SimpleNamespace:
    """Write one.

    Args:
        folder: Where it is made.
        name: File name of the script.
        script: Its source.
        beside: Source of the module `beside`.

    Returns:
        `code`, the script's folder; `added`, the module elsewhere; `archive`, the model data;
        `root`, the folder.
    """
    code, added = folder / "code", folder / "more" / "added.py"
    for one in (code, added.parent, folder / "model"):
        one.mkdir()
    (code / name).write_text(script)
    (code / "beside.py").write_text(beside)
    added.write_text("WORD = 'added'\n")
    (folder / "model" / "weights.txt").write_text("7")
    packed = model_data.pack(folder / "model", folder / "model.tar.gz", needs_manifest=False)
    return SimpleNamespace(code=code, added=added, archive=packed.path, root=folder)
