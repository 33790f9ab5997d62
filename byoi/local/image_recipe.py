"""The content of a user's image: a Dockerfile, and the files that it copies.

The image is based on a serving image. It gets the packages of a requirements.txt, the inference
module and modules that it may import, a training script, and a model, if they exist. Nothing is
built here.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from byoi import contract, errors, preloading
from byoi.project import TRAINING_SCRIPT, Project, is_hidden, is_importable

DEFAULT_BASE = "byoi:latest"
TRAINING_PROGRAM = "train"
TRAINING_VARIABLE = "BYOI_TRAINING_SCRIPT"
# The folder of a project's files in the image, with the same structure as on this machine.
PROGRAM_DIR = "/opt/program/project"
# The image's own `train`, the first on PATH.
_TRAIN = "/opt/program/container/train"
_PLAIN = re.compile(r"[\w.-]+")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NESTED = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)")
_PIP = """\
RUN --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle \\
    --mount=type=secret,id=pip-conf,target=/etc/pip.conf \\
    --mount=type=cache,target=/root/.cache/pip \\
{mounts}    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \\
    pip install --cache-dir /root/.cache/pip --progress-bar off -r /tmp/project/{file} \\
 && pip check \\
 && python -c 'import {imports}'
"""


@dataclass(frozen=True)
class Recipe:
    """The parts of an image, all in one folder; parts that do not exist are None or empty.

    Attributes:
        folder: The folder; all paths are relative to it.
        base: The base image.
        module: The inference module.
        script: The training script, `train.py`.
        program: A program `train`, which replaces the image's own; `train.py` is then not used as
            the training script.
        sources: Modules and packages that are copied, including `module` and `script`.
        requirements: The requirements.txt, then the files that it names with -r and -c.
        model_dir: The model directory.
        left_out: Names in the module's folder that are not copied.
    """

    folder: Path
    base: str
    module: Path | None
    script: Path | None
    program: Path | None
    sources: tuple[Path, ...]
    requirements: tuple[Path, ...]
    model_dir: Path | None
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, project: Project, base: str = DEFAULT_BASE) -> Self:
        """Collect the parts of a project.

        Args:
            project: The project with module, requirements and model directory.
            base: The base image.

        Raises:
            ConfigurationError: A part does not exist, is outside of the project's folder or has a
                name that cannot be used in a Dockerfile; or there is nothing to put into the image.
        """
        folder = Path(os.path.abspath(project.folder))  # noqa: PTH100 - links stay as they are
        module = _inside(folder, project.module, "the inference module", is_file=True)
        requirements = _inside(folder, project.requirements, "the requirements", is_file=True)
        model_dir = _inside(folder, project.model_dir, "the model directory", is_file=False)
        if not (module or requirements or model_dir):
            raise errors.ConfigurationError(
                f"{project.folder} has no inference.py, no requirements.txt and no model: there is "
                "nothing to put into an image; name the parts with --module, --requirements and "
                "--model-dir"
            )
        if model_dir and not any(_files(folder / model_dir)):
            raise errors.ConfigurationError(
                f"the model directory {model_dir} is empty; train first, or bake none in: "
                "--without-model"
            )
        homes = dict.fromkeys([module.parent if module else Path(), Path()])
        program = _first(folder, [home / TRAINING_PROGRAM for home in homes])
        script = _first(folder, [home / TRAINING_SCRIPT for home in homes])
        used = tuple(_with_nested(folder, requirements)) if requirements else ()
        sources, left_out = _sources(folder, [module, script], {*used, model_dir, program})
        return cls(
            folder,
            base,
            module,
            None if program else script,
            program,
            sources,
            used,
            model_dir,
            left_out,
        )

    def packages(self) -> list[str]:
        """Return the required packages, one line each, without options of pip."""
        lines = [line for file in self.requirements for line in _lines(self.folder / file)]
        return [re.split(r"\s+--", line)[0] for line in lines if _REQUIREMENT.match(line)]

    def preloaded(self) -> list[str]:
        """Return modules to import before the workers are forked: large, and safe to share."""
        wanted = {"numpy"}
        for line in self.packages():
            name = re.sub(r"[-_.]+", "-", _REQUIREMENT.match(line)[0]).lower()  # type: ignore[index]
            # A package with a marker may not be installed; a failed import would end the start.
            if name in preloading.PACKAGES and ";" not in line:
                wanted.add(preloading.PACKAGES[name])
        for path in self.sources:
            for file, _ in _files(self.folder / path):
                if file.suffix == ".py" and path != self.script:
                    wanted |= preloading.imported(file) & {"numpy", "onnxruntime"}
        return sorted(wanted)

    def dockerfile(self) -> str:
        """Return the Dockerfile, which is built with the folder as its context."""
        text = f"FROM {self.base}\n"
        # Files with only comments need no pip, and so no package index.
        if any(_lines(self.folder / file) for file in self.requirements):
            mounts = "".join(
                f"    --mount=type=bind,source={file},target=/tmp/project/{file} \\\n"
                for file in self.requirements
            )
            imports = ", ".join(self.preloaded())
            text += _PIP.format(mounts=mounts, file=self.requirements[0], imports=imports)
        if self.model_dir:
            text += f"COPY {self.model_dir} {contract.BAKED_MODEL_DIR}\n"
        files = [path for path in self.sources if (self.folder / path).is_file()]
        for home in sorted({path.parent for path in files}):
            names = " ".join(str(path) for path in files if path.parent == home)
            text += f"COPY {names} {_in_image(home)}/\n"
        for path in self.sources:
            if path not in files:
                text += f"COPY {path} {_in_image(path)}\n"
        if self.program:
            text += f"COPY --chmod=755 {self.program} {_TRAIN}\n"
        variables = []
        if self.module:
            variables.append(f"BYOI_IMAGE_MODULE={_in_image(self.module)}")
            variables.append(f"BYOI_PRELOAD={','.join(self.preloaded())}")
        if self.script:
            variables.append(f"{TRAINING_VARIABLE}={_in_image(self.script)}")
        if variables:
            text += "ENV " + " \\\n    ".join(variables) + "\n"
        return f"{text}LABEL org.opencontainers.image.base.name={self.base}\n"

    def describe(self) -> list[str]:
        """Return the parts of the image, and what is left out, one line each."""
        parts = {"base": self.base}
        if self.requirements:
            names = ", ".join(str(path) for path in self.requirements)
            parts["packages"] = f"{names}: {', '.join(self.packages()) or 'none'}"
        if self.module:
            parts["module"] = str(self.module)
            parts["preloaded"] = ", ".join(self.preloaded())
        if train := self.program or self.script:
            parts["train"] = str(train)
        others = [str(path) for path in self.sources if path not in (self.module, self.script)]
        if others:
            parts["with"] = ", ".join(others)
        if self.model_dir:
            files = [file for file, _ in _files(self.folder / self.model_dir)]
            size = sum(file.stat().st_size for file in files)
            count = f"{len(files)} file{'s' * (len(files) != 1)}"
            parts["model"] = f"{self.model_dir} ({count}, {size:,} bytes)"
        if self.left_out:
            parts["left out"] = ", ".join(self.left_out)
        return [f"{name:<10} {value}" for name, value in parts.items()]

    def files(self) -> Iterator[tuple[Path, Path]]:
        """Yield each file that the Dockerfile needs, and its path in the folder.

        Raises:
            ConfigurationError: A file is a link to a folder, or not a regular file.
        """
        others = filter(None, [self.model_dir, self.program])
        for part in (*self.requirements, *others, *self.sources):
            for file, name in _files(self.folder / part):
                yield file, part / name


def _first(folder: Path, paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if (folder / path).is_file()), None)


def _in_image(path: Path) -> str:
    return f"{PROGRAM_DIR}/{path}" if path.name else PROGRAM_DIR


def _inside(folder: Path, path: Path | None, what: str, *, is_file: bool) -> Path | None:
    """Check that a part exists, and return its path relative to the folder."""
    if path is None:
        return None
    if not (path.is_file() if is_file else path.is_dir()):
        kind = "file" if is_file else "directory"
        raise errors.ConfigurationError(f"{what}: {path} is not a {kind}; name one that exists")
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - as above
    if not absolute.is_relative_to(folder) or absolute == folder:
        raise errors.ConfigurationError(
            f"{what}: {path} is not below {folder}, and a build reads one folder; name one that "
            "holds all parts: byoi image FOLDER ..."
        )
    return _plain(absolute.relative_to(folder))


def _plain(path: Path) -> Path:
    """Check that a path has no special meaning in a Dockerfile, and return it."""
    if not all(_PLAIN.fullmatch(part) for part in path.parts):
        raise errors.ConfigurationError(
            f"{str(path)!r} cannot be used in a Dockerfile: a name may have letters, digits and "
            ". _ - only; rename it"
        )
    return path


def _sources(
    folder: Path, programs: Collection[Path | None], others: Collection[Path | None]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the paths that the programs may import, and the names that are left out.

    From the project's folder, only modules and packages are copied. A folder in it that has one of
    the programs, such as `code`, is copied completely.

    Args:
        folder: The project's folder.
        programs: The inference module and the training script.
        others: Parts that are copied separately.
    """
    sources, left_out = [], []
    for home in dict.fromkeys(program.parent for program in programs if program):
        if home != Path():
            sources.append(home)
            continue
        for path in sorted(folder.iterdir()):
            name = Path(path.name)
            if is_hidden(path.name) or name in others:
                continue
            if is_importable(path) or name in programs:
                sources.append(_plain(name))
            else:
                left_out.append(path.name + "/" * path.is_dir())
    taken = tuple(dict.fromkeys(sources))
    tops = {path.parts[0] for path in taken}
    return taken, tuple(name for name in left_out if name.rstrip("/") not in tops)


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the files of a file or directory in a fixed order, and their paths below it."""
    if path.is_file():
        yield path, Path()
        return
    for place, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in [*folders, *sorted(name for name in names if not is_hidden(name))]:
            file = Path(place, name)
            if file.is_file():
                yield file, file.relative_to(path)
            elif file.is_symlink() or not file.is_dir():
                raise errors.ConfigurationError(
                    f"{file} is a link to a folder, or no regular file, and an image cannot get "
                    "it; put a copy in its place"
                )


def _with_nested(folder: Path, file: Path) -> Iterator[Path]:
    """Yield a requirements file, and the files that it names with -r and -c."""
    waiting, seen = [file], set[Path]()
    while waiting:
        current = waiting.pop(0)
        if current in seen:
            continue
        seen.add(current)
        yield current
        for line in _lines(folder / current):
            match = _NESTED.match(line)
            if match and "://" not in match[1]:
                named = folder / current.parent / match[1]
                found = _inside(folder, named, f"{current} names a file", is_file=True)
                if found:
                    waiting.append(found)


def _lines(file: Path) -> list[str]:
    """Return the lines of a requirements file, without comments."""
    text = file.read_text(encoding="utf-8-sig").replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]
