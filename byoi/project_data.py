"""Model data of a project: the model's files, and the code that serves them, in one archive.

Source of the places: SageMaker Python SDK, "Using third-party libraries" and the structure of
model.tar.gz (the model's files at the top, the script and its requirements.txt in `code/`).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from byoi import digest, errors, model_data
from byoi.project import (
    CODE_DIR,
    MODEL_DIR,
    MODULE,
    TRAINING_SCRIPT,
    Project,
    is_hidden,
    is_importable,
    is_test,
)

REQUIREMENTS = f"{CODE_DIR}/requirements.txt"


@dataclass(frozen=True)
class Selection:
    """What of a project goes into its model data.

    Attributes:
        files: The files, by the names that they get in the archive.
        left_out: Names in the project's folder and in its model directory that are not packed,
            sorted; of the hidden ones, those of the model directory.
        has_manifest: Whether a manifest says which of the model's files are packed.
    """

    files: dict[str, Path]
    left_out: tuple[str, ...]
    has_manifest: bool

    @classmethod
    def of(cls, project: Project, archive: Path) -> Self:
        """Choose the files.

        Args:
            project: With a model directory; its module and requirements where there are some.
            archive: Where the archive goes, which is not a part of itself.

        Raises:
            ConfigurationError: There is no model directory, or two files get the same name.
            ModelDataError: As `model_data.files_of`; or nothing but hidden files is there.
        """
        if project.model_dir is None:
            raise errors.ConfigurationError(
                f"{project.folder} is a project without a folder {MODEL_DIR}; train first: "
                f"python {TRAINING_SCRIPT}"
            )
        found, has_manifest = model_data.files_of(project.model_dir, archive)
        files = {
            name: path
            for name, path in found.items()
            if not any(is_hidden(part) for part in Path(name).parts)
        }
        if not files:
            raise errors.refusal(project.model_dir, "no files in it", "train first")
        hidden = [f"{MODEL_DIR}/{name}" for name in found if name not in files]
        for name, path in _code(project, archive):
            if name in files:
                raise errors.ConfigurationError(
                    f"{files[name]} and {path} would both be {name} of the model data; keep one"
                )
            files[name] = path
        left_out = sorted([*hidden, *_left_out(project, files, archive)])
        return cls(files, tuple(left_out), has_manifest)


def is_project(folder: Path) -> bool:
    """Whether a folder is a project, and not itself a model directory.

    It has `train.py` at its top, or `inference.py` with the folder `model` beside it. A manifest
    at the top is that of a model directory.
    """
    if (folder / digest.MANIFEST_FILE).exists() and digest.has_manifest(folder):
        return False
    has_model = (folder / MODEL_DIR).is_dir()
    return (folder / TRAINING_SCRIPT).is_file() or (has_model and (folder / MODULE).is_file())


def _code(project: Project, archive: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of `code/` by their names in the archive."""
    module = project.module
    if module is not None and module.parent == project.folder:
        for path in sorted(project.folder.iterdir()):
            is_own = not is_hidden(path.name) and path.name not in {MODEL_DIR, TRAINING_SCRIPT}
            # A virtual environment, whatever its name, has no module in its own folder.
            if is_own and is_importable(path):
                yield from _below(path, Path(CODE_DIR, path.name), archive)
    elif module is not None:
        yield from _below(module.parent, Path(CODE_DIR), archive)
    # A script in `code` may have its own there already.
    has_own = (project.folder / REQUIREMENTS).is_file() and module is not None
    if project.requirements is not None and not has_own:
        yield REQUIREMENTS, project.requirements


def _below(path: Path, name: Path, archive: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or those of a folder; a link is yielded too, and refused when it is read."""
    if path.is_symlink() or not path.is_dir():
        yield name.as_posix(), path
        return
    for place, folders, names in os.walk(path):
        folders[:] = sorted(one for one in folders if not is_hidden(one) and not is_test(one))
        links = [one for one in folders if Path(place, one).is_symlink()]
        for one in sorted([*links, *names]):
            file = Path(place, one)
            if not (is_hidden(one) or is_test(one)) and file.resolve() != archive.resolve():
                yield (name / file.relative_to(path)).as_posix(), file


def _left_out(project: Project, files: dict[str, Path], archive: Path) -> Iterator[str]:
    """Yield the entries of the project's folders of which nothing was packed."""
    packed = set(files.values())
    parents = {parent for path in packed for parent in path.parents}
    homes = {project.folder, project.model_dir, project.module and project.module.parent}
    for home in sorted(filter(None, homes)):
        for path in sorted(home.iterdir()):
            if is_hidden(path.name) or path in packed or path in parents:
                continue
            if path.resolve() != archive.resolve():
                yield path.relative_to(project.folder).as_posix() + "/" * path.is_dir()
