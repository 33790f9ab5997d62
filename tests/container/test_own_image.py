"""Images of a user's own: by `byoi image`, and by a Dockerfile as people write it."""

import contextlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import images
import numpy as np
import pytest
from containers import RESTRICTED, ROOT, docker, mounted, started
from jobs import Job, run_job
from test_serve import invoke

from byoi import errors
from byoi.local.image import ImageBuilder
from byoi.local.image_recipe import Recipe
from byoi.project import Project

pytestmark = pytest.mark.needs("docker")


@pytest.fixture(scope="module")
def libraries() -> str:
    """The image with scikit-learn, XGBoost and LightGBM, built by `tests/run images`."""
    return images.current("libraries")


def make_inputs(directory: Path) -> None:
    """Lay out a job's /opt/ml that any user may write to."""
    random = np.random.default_rng(1)
    channel = directory / "input" / "data" / "train"
    for folder in (channel, directory / "model", directory / "output"):
        folder.mkdir(parents=True)
    np.savetxt(channel / "numbers.csv", random.normal(size=(200, 4)), delimiter=",")
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


@pytest.fixture(scope="module")
def trained(libraries, tmp_path_factory) -> Job:
    """A job of the project's own train.py, with no network, a read-only root, another user."""
    directory = tmp_path_factory.mktemp("job")
    make_inputs(directory)
    return run_job(libraries, directory, {"trees": "4"}, *RESTRICTED)


def test_train_in_the_image_runs_the_projects_own_script(trained) -> None:
    assert trained.status == 0, trained.log
    assert "trees=4" in trained.log.splitlines()
    assert sorted(path.name for path in trained.model_dir.iterdir()) == [
        *("expected.json", "lightgbm.txt", "scikit_learn.joblib", "xgboost.json"),
    ]
    assert not (trained.directory / "output" / "failure").exists()


def test_a_model_of_each_library_is_served_as_it_was_trained(libraries, trained) -> None:
    told = json.loads((trained.model_dir / "expected.json").read_text())
    with started(libraries, *RESTRICTED, *mounted(trained.model_dir)) as container:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: invoke(container.port, told["rows"]), range(16)))
        # The preloaded libraries work in each forked worker, also with threads of their own.
        for status, found in answers:
            assert status == 200, container.log
            assert np.allclose(found, told["expected"])


def test_an_error_of_the_script_becomes_the_failure_of_the_job(libraries, tmp_path) -> None:
    make_inputs(tmp_path)
    job = run_job(libraries, tmp_path, {"fail": "no rows left"}, *RESTRICTED)
    assert job.status == 1
    assert (tmp_path / "output" / "failure").read_text() == "ValueError: no rows left"
    assert "raise ValueError(options.fail)" in job.log


def test_its_packages_fit_each_other_and_stand_in_the_development_lock(libraries) -> None:
    found = docker("run", "--rm", "--network", "none", libraries, "pip", "check")
    assert found == "No broken requirements found.\n"
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    asked = (images.LIBRARIES / "requirements.txt").read_text().splitlines()[1:]
    assert len(asked) == 3
    assert all(f"\n{line} " in lock for line in asked)


def test_all_of_it_is_above_the_serving_image_and_of_the_libraries(libraries, image) -> None:
    sizes = [int(docker("image", "inspect", "-f", "{{.Size}}", tag)) for tag in (image, libraries)]
    assert sizes[0] < sizes[1] <= 650e6


@contextlib.contextmanager
def removed(tag: str) -> Iterator[str]:
    try:
        yield tag
    finally:
        docker("rmi", "--force", tag, check=False)


def byoi_image(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "byoi.cli", "image", *arguments]
    environ = os.environ | variables
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False)


def test_pip_install_in_a_users_dockerfile_goes_into_the_environment_that_serves(
    image, tmp_path
) -> None:
    """The mount is for the private authority of an index; without one the word RUN is enough."""
    secret = "--mount=type=secret,id=ca-bundle,target=/etc/ssl/certs/ca-certificates.crt"
    (tmp_path / "requirements.txt").write_text("narwhals==2.29.0\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image}\n"
        "COPY requirements.txt .\n"
        f"RUN {secret} pip install cloudpickle\n"
        f"RUN {secret} python -m pip install -r requirements.txt\n"
        f"RUN {secret} pip3 install threadpoolctl\n"
    )
    script = ROOT / "container" / "docker_build.sh"
    with removed(f"byoi-test-own:{uuid.uuid4().hex[:12]}") as tag:
        done = subprocess.run(
            [script, "--progress=plain", "--tag", tag, tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        code = (
            "pip --version; pip3 --version; python -m pip --version; python3 -m pip --version; "
            "python -c 'import cloudpickle, flask, narwhals, threadpoolctl as t; print(t.__file__)'"
            "; test -e /root/.cache || echo nothing kept"
        )
        lines = docker("run", "--rm", "--network", "none", tag, "sh", "-c", code).splitlines()
    assert len(lines) == 6
    for line in lines[:5]:
        assert "/opt/venv/lib/" in line
    assert lines[5] == "nothing kept"


def test_the_verb_builds_what_it_says_and_the_image_answers(image, tmp_path) -> None:
    (tmp_path / "inference.py").write_text(
        "import words\n"
        "def model_fn(model_dir):\n    return int(open(f'{model_dir}/factor').read())\n"
        "def predict_fn(data, model):\n    return [words.NAME, (data * model).tolist()]\n"
    )
    (tmp_path / "words.py").write_text("NAME = 'twice'\n")
    (tmp_path / "notes.md").write_text("not for the image\n")
    (tmp_path / "train").write_text("#!/bin/sh\necho a train of its own\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "factor").write_text("2")
    # A file of one user must be readable to the one that serves.
    (tmp_path / "model" / "factor").chmod(0o600)
    with removed(f"byoi-test-own:{uuid.uuid4().hex[:12]}") as tag:
        done = byoi_image(tmp_path, "--base", image, "--tag", tag)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert "module     inference.py" in lines
        assert "with       words.py" in lines
        assert "model      model (1 file, 1 bytes)" in lines
        assert "left out   notes.md" in lines
        assert re.search(
            rf"^built {tag} \(\w+\): \d+\.\d MB, of which 0\.0 MB are added to",
            done.stdout,
            re.MULTILINE,
        )
        assert f"next: docker run --rm -p 8080:8080 {tag} serve" in lines
        assert "] COPY words.py" in done.stderr or "] COPY inference.py" in done.stderr
        assert docker("run", "--rm", tag, "train") == "a train of its own\n"
        with started(tag, *RESTRICTED) as container:
            assert invoke(container.port, [1, 2]) == (200, ["twice", [2, 4]])


def test_a_serving_image_that_is_missing_is_built_first_where_that_can_be(tmp_path) -> None:
    (tmp_path / "inference.py").write_text("def predict_fn(data, model): return data\n")
    lines: list[str] = []
    with (
        removed(f"byoi-test-base:{uuid.uuid4().hex[:12]}") as base,
        removed(f"byoi-test-own:{uuid.uuid4().hex[:12]}") as tag,
    ):
        recipe = Recipe.of(Project.find(tmp_path), base)
        elsewhere = ImageBuilder(
            lines.append, build_script=tmp_path / "absent", targets={base: "serve"}
        )
        with pytest.raises(errors.ConfigurationError, match=f"{base} is not on .* `make image`"):
            elsewhere.build(recipe, tag)
        assert lines == []
        built = ImageBuilder(lines.append, targets={base: "serve"}).build(recipe, tag)
        assert lines[0].startswith(f"{base} is not on this machine yet: ")
        assert built.size_bytes >= built.base_bytes > 100e6


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        ("cloudpickle==0.0.0", "ERROR: No matching distribution found for cloudpickle==0.0.0"),
        ("flask<3", "has requirement flask<4,>=3.1, but you have flask 2.3.3."),
        ("./absent", "ERROR: "),
        (
            "cloudpickle==3.1.2 --hash=sha256:" + 64 * "0",
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
        ),
    ],
)
def test_packages_that_cannot_be_are_told_in_pips_own_line(
    requirements, reason, image, tmp_path
) -> None:
    (tmp_path / "requirements.txt").write_text(f"{requirements}\n")
    tag = f"byoi-test-own:{uuid.uuid4().hex[:12]}"
    done = byoi_image(tmp_path, "--base", image, "--tag", tag)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"byoi: error: {tag} cannot be built: ")
    assert reason in last


@pytest.mark.parametrize(
    ("options", "variables", "reason"),
    [
        (["--base", "byoi-test-absent:1"], {}, "byoi-test-absent:1 is not on this machine"),
        (["--base", "{stranger}"], {}, "{stranger} is not based on this project's serving image"),
        ([], {"DOCKER": "/bin/true"}, "no docker client with BuildKit (found: /bin/true)"),
        ([], {"DOCKER_HOST": "unix:///absent.sock"}, "the container engine does not answer: "),
        (["--base", "{image}"], {"PIP_CONF": "/absent"}, "/absent cannot be read; CA_BUNDLE, "),
    ],
)
def test_what_a_build_needs_and_does_not_find_is_named(
    options, variables, reason, image, tmp_path
) -> None:
    names = {"stranger": "byoi-base:trixie", "image": image}
    (tmp_path / "inference.py").write_text("def predict_fn(data, model): return data\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "empty").touch()
    options = [option.format(**names) for option in options]
    done = byoi_image(tmp_path, "--tag", "byoi-test-own:absent", *options, **variables)
    assert done.returncode == 1
    assert reason.format(**names) in done.stderr.splitlines()[-1]
