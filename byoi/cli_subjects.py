"""What the user of `byoi check` named: an image, a URL or a project's folder.

As in `cli`, what is needed is imported where it runs.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from byoi import errors, extras

if TYPE_CHECKING:
    from byoi.conformance.subjects import Subject


def named(
    options: argparse.Namespace, model: Path | None, learn: Callable[..., None]
) -> tuple["Subject", Path | None]:
    """Return what the user named, and a project's sample request.

    Args:
        options: Of the command line.
        model: The model's folder, None where it was not given.
        learn: Takes fields of the report's `About` as they become known.

    Raises:
        ConfigurationError: There is nothing of that name that could be checked.
        MissingProgramError: It may be an image, and no container engine answers.
    """
    from byoi import conformance, project
    from byoi.conformance import about
    from byoi.local import Engine

    name = options.subject
    if name.startswith(("http://", "https://")):
        return _running(options), None
    if Path(name).is_dir():
        _refuse(options, "instance_type", "a folder is served by processes, without a limit")
        found = project.Project.find(Path(name))
        model_dir = model or found.model_dir
        if found.module is None and model_dir is None:
            raise errors.ConfigurationError(
                f"the folder {name} holds no project: expected {project.MODULE}, and what it "
                f"loads in {project.MODEL_DIR}/ or in --model-data; `byoi init` makes one. An "
                "image of this name is checked as NAME:TAG"
            )
        environ = {}
        if found.module is not None:
            environ["BYOI_INFERENCE_MODULE"] = str(found.module.absolute())
        return conformance.ProjectSubject(found.folder, model_dir, environ), found.sample
    extras.require("byoi check of an image", "docker")
    engine = Engine(os.environ)
    engine.require()
    if not engine.has_image(name):
        raise errors.ConfigurationError(
            f"there is no image {name} on this machine, and no folder of that name; build or pull "
            "it first, or give http://HOST:PORT of a running server"
        )
    learn(engine=engine.version, image=about.of_image(engine.describe_image(name)))
    return conformance.ImageSubject(engine, name, model), None


def _running(options: argparse.Namespace) -> "Subject":
    """Return the server that a URL leads to.

    Raises:
        ConfigurationError: Nothing that speaks HTTP answers, or an option is for a start of it.
    """
    from byoi import conformance
    from byoi.conformance.subjects import Conditions

    name = options.subject
    if name != without_user(name):
        raise errors.ConfigurationError(
            "received a URL with a user or a password; expected http://HOST:PORT: the platform "
            "sends neither"
        )
    for key in ("model_data", "env", "instance_type", "train", "training_input"):
        _refuse(options, key, "the server of a URL runs already; give an image")
    subject = conformance.UrlSubject(name)
    subject.require()
    with subject.launched(Conditions()) as server:
        answer = server.ping(timeout_s=subject.start_limit_s)
    # Docker takes connections for a container that does not listen yet. A server that is only slow
    # is judged by the rules.
    if not answer.status and answer.seconds < subject.start_limit_s:
        raise errors.ConfigurationError(
            f"nothing that speaks HTTP answers at {name}: GET /ping gets "
            f"{' '.join(answer.shown.split())}; start the server, then check it"
        )
    return subject


def _refuse(options: argparse.Namespace, key: str, why: str) -> None:
    """Refuse an option that would do nothing."""
    if getattr(options, key):
        name = key.replace("_", "-")
        raise errors.ConfigurationError(f"--{name} is of no use for {options.subject}: {why}")


def without_user(subject: str) -> str:
    """Return a URL without its user and password, which no report may hold; another name as it is.

    They end at the last `@` before the path.
    """
    scheme, separator, rest = subject.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
