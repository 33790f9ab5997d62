"""The verbs of `byoi` for the files of a model: `init`, `pack`, `image`.

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from byoi.local.image import Built
    from byoi.local.image_recipe import Recipe
    from byoi.project import Project


def add_verbs(verbs: Any) -> None:
    """Add the verbs to argparse's subparsers."""
    init = verbs.add_parser("init", help="write a small project for a model of your own")
    init.add_argument("folder", type=Path, metavar="NAME", help="its folder, and its endpoint")
    init.add_argument(
        "--kind",
        required=True,
        metavar="KIND",
        help="sklearn, xgboost, keras, onnx or custom",
    )
    init.set_defaults(run=_init)
    pack = verbs.add_parser("pack", help="pack a model directory into model.tar.gz")
    pack.add_argument("model_dir", type=Path, metavar="DIR", help="model directory")
    pack.add_argument("archive", type=Path, metavar="FILE.tar.gz", help="archive to write")
    pack.set_defaults(run=_pack)
    _add_image(verbs)


def _init(options: argparse.Namespace) -> None:
    from byoi import new_project

    files = new_project.create(options.folder, options.kind)
    print(f"{options.folder}: {', '.join(files)}")
    print(
        f"next: cd {options.folder} && pip install -r requirements-dev.txt && python train.py && "
        "pytest && byoi serve"
    )


def _pack(options: argparse.Namespace) -> None:
    from byoi import model_data

    packed = model_data.pack(options.model_dir, options.archive, needs_manifest=False)
    print(f"{packed.path}\nsha256 {packed.sha256}\n{packed.size_bytes:,} bytes")
    if not packed.has_manifest:
        print(f"no manifest.json: packed all {len(packed.names)} files")


def _add_image(verbs: Any) -> None:
    image = verbs.add_parser("image", help="build an image of your own on the serving image")
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
        "--without-model", action="store_true", help="bake no model in: deploy it as model data"
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
    size = f"{built.size_bytes / 1e6:,.1f} MB, {above:,.1f} MB of them above {recipe.base}"
    lines = [f"built {built.tag} ({built.architecture}): {size}"]
    name = re.sub(r"[._-]+", "-", ImageReference.parse(built.tag).base_name)
    data = "" if recipe.model_dir else " --model-data model.tar.gz"
    mount = "" if recipe.model_dir else " -v MODEL_DIR:/opt/ml/model:ro"
    lines.append(f"next: docker run --rm -p 8080:8080{mount} {built.tag} serve")
    if project.sample:
        lines.append(f"      byoi invoke http://localhost:8080 --file {project.sample}")
    lines.append(f"      byoi deploy {built.tag} --name {name}{data}")
    return lines
