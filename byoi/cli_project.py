"""The verbs of `byoi` for the files of a model: `init`, `pack`, `image`.

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from byoi.local.image import Built
    from byoi.local.image_recipe import Recipe
    from byoi.model_data import ModelData
    from byoi.project import Project

_NAMES_SHOWN = 20


def add_verbs(verbs: Any) -> None:
    """Add the verbs to argparse's subparsers."""
    _add_init(verbs)
    pack = verbs.add_parser(
        "pack", help="pack a model directory, or a project's model and code, into model.tar.gz"
    )
    pack.add_argument(
        "folder", type=Path, metavar="DIR|PROJECT", help="model directory, or a project's folder"
    )
    pack.add_argument("archive", type=Path, metavar="FILE.tar.gz", help="archive to write")
    pack.set_defaults(run=_pack)
    _add_image(verbs)


def _add_init(verbs: Any) -> None:
    from byoi import starting

    init = verbs.add_parser(
        "init", help="create a small project: training, inference, tests, deployment"
    )
    init.add_argument(
        "folder",
        type=Path,
        metavar="NAME",
        help="folder to create; also the name of the image and the endpoint",
    )
    init.add_argument(
        "--kind",
        required=True,
        choices=starting.KINDS,
        help="library of the example model; custom: a module of your own, without a library",
    )
    init.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> None:
    from byoi import starting, terminal

    written = starting.write(options.folder, options.kind)
    print(terminal.one_line(f"wrote {options.folder}: {', '.join(written)}"))
    print(terminal.one_line(f"next: cd {shlex.quote(str(options.folder))} && python train.py"))
    print("      README.md has each command from there to an endpoint")


def _pack(options: argparse.Namespace) -> None:
    from byoi import model_data, project_data

    if project_data.is_project(options.folder):
        _pack_project(options.folder, options.archive)
        return
    packed = model_data.pack(options.folder, options.archive, needs_manifest=False)
    print(_packed(packed))
    if not packed.has_manifest:
        print(f"no manifest.json: packed all {len(packed.names)} files")


def _pack_project(folder: Path, archive: Path) -> None:
    from byoi import model_data, project_data, terminal
    from byoi.project import Project

    model_data.require_name(archive)
    selection = project_data.Selection.of(Project.find(folder), archive)
    print(_packed(model_data.write(selection.files, archive, has_manifest=selection.has_manifest)))
    print(terminal.one_line(f"packed    {_listed(sorted(selection.files))}"))
    print(terminal.one_line(f"left out  {_listed(selection.left_out) or 'nothing'}"))


def _packed(packed: "ModelData") -> str:
    return f"{packed.path}\nsha256 {packed.sha256}\n{packed.size_bytes:,} bytes"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _add_image(verbs: Any) -> None:
    image = verbs.add_parser("image", help="build an image with your packages, code and model")
    image.add_argument(
        "project",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="PROJECT",
        help="folder whose parts are used; default: this one",
    )
    image.add_argument(
        "--module", type=Path, metavar="FILE.py", help="default: inference.py or code/inference.py"
    )
    image.add_argument(
        "--requirements",
        type=Path,
        metavar="FILE",
        help="packages of the image; default: requirements.txt",
    )
    model = image.add_mutually_exclusive_group()
    model.add_argument(
        "--model-dir", type=Path, metavar="DIR", help="model to bake in; default: model"
    )
    model.add_argument(
        "--without-model", action="store_true", help="leave the model out; deploy it as model data"
    )
    image.add_argument(
        "--base", default="", metavar="IMAGE", help="the serving image; default: byoi:latest"
    )
    wanted = image.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--tag", metavar="NAME", help="name of the image to build, such as mine:1")
    wanted.add_argument(
        "--dockerfile", action="store_true", help="only print the Dockerfile; nothing is built"
    )
    image.set_defaults(run=_image)


def _image(options: argparse.Namespace) -> None:
    from byoi import terminal
    from byoi.local import image, image_recipe
    from byoi.project import Project

    project = Project.find(options.project)
    named = {
        part: path
        for part in ("module", "requirements", "model_dir")
        if (path := getattr(options, part)) is not None
    }
    if options.without_model:
        named["model_dir"] = None
    import dataclasses

    project = dataclasses.replace(project, **named)
    recipe = image_recipe.Recipe.of(project, options.base or image_recipe.DEFAULT_BASE)
    if options.dockerfile:
        print(recipe.dockerfile(), end="")
        return
    image.require_tag(options.tag, recipe.base)
    print("\n".join(recipe.describe()), flush=True)

    def show(line: str) -> None:
        print(terminal.one_line(line), file=sys.stderr, flush=True)

    built = image.ImageBuilder(show).build(recipe, options.tag)
    print("\n".join(_told(built, recipe, project)))


def _told(built: "Built", recipe: "Recipe", project: "Project") -> list[str]:
    """Return the lines about an image that was built, and what to do next with it."""
    from byoi.names import ImageReference

    above = (built.size_bytes - built.base_bytes) / 1e6
    size = f"{built.size_bytes / 1e6:,.1f} MB, of which {above:,.1f} MB are added to {recipe.base}"
    lines = [f"built {built.tag} ({built.architecture}): {size}"]
    name = re.sub(r"[._-]+", "-", ImageReference.parse(built.tag).base_name)
    data = "" if recipe.model_dir else " --model-data model.tar.gz"
    mount = "" if recipe.model_dir else " -v MODEL_DIR:/opt/ml/model:ro"
    lines.append(f"next: docker run --rm -p 8080:8080{mount} {built.tag} serve")
    if project.sample:
        lines.append(f"      byoi invoke http://localhost:8080 --file {project.sample}")
    lines.append(f"      byoi deploy {built.tag} --name {name}{data}")
    return lines
