"""Each extra alone: every verb works there, or says in one line which extra it needs."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from environments import EXTRAS, PROJECT, Environment, distributions
from packaging.requirements import Requirement
from reviews_file import write_reviews

from byoi import cli, emulator, errors, extras

# What each verb is called with; those of an extra that has all they need are tested one by one.
VERBS = {
    "serve": ("serve", "--model-dir", "."),
    "invoke": ("invoke", "films", "a good film"),
    "predict": ("predict", "--endpoint", "films", "a good film"),
    "deploy": ("deploy", "byoi:latest", "--name", "films"),
    "endpoints": ("endpoints",),
    "delete": ("delete", "films"),
    "emulator": ("emulator",),
    "emulator run": ("emulator", "run", "--", "true"),
    "train": ("train", "--data", "sample", "--output", "model"),
    "demo": ("demo",),
}
ON_AWS = {"invoke", "predict", "deploy", "endpoints", "delete"}
WORKING = {
    "serve": {"serve"},
    "train": {"train"},
    "aws": ON_AWS,
    "emulator": ON_AWS | {"serve", "emulator", "emulator run"},
}
# What imports as another name than it is installed by, and what a requirement's extra brings.
IMPORTED_AS = {"flask_cors": "flask-cors", "jsonpath_ng": "jsonpath-ng"}


@pytest.fixture
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Environment:
    """An environment with one extra and nothing else."""
    environment = Environment(tmp_path, [*PROJECT["dependencies"], *EXTRAS[request.param]])
    environment.add_project()
    return environment


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_table_is_what_pip_installs(extra: str) -> None:
    named = {Requirement(text).name for text in EXTRAS[extra]}
    imported = {IMPORTED_AS.get(package, package) for package in extras.EXTRAS[extra]}
    assert named <= imported
    assert imported <= distributions(EXTRAS[extra])


@pytest.mark.parametrize("alone", EXTRAS, indirect=True)
def test_a_verb_that_lacks_packages_says_which_extra_brings_them(
    alone: Environment, request: pytest.FixtureRequest
) -> None:
    extra = request.node.callspec.params["alone"]
    ok(alone.byoi("--help"))
    for verb, arguments in VERBS.items():
        if verb in WORKING[extra]:
            continue
        done = alone.byoi(*arguments)
        (line,) = done.stderr.splitlines()
        remedy = r"in the folder of this project's checkout: pip install '\.\[([a-z,]+)\]'"
        named = re.fullmatch(f"byoi: error: .* needs the Python package.*; {remedy}", line)
        assert named, line
        assert set(named[1].split(",")) <= set(EXTRAS) - {extra}, line
        assert done.returncode == 1


@pytest.mark.parametrize("alone", ["serve"], indirect=True)
def test_serve_alone_packs_serves_and_answers(alone: Environment, tiny_model_dir: Path) -> None:
    ok(alone.byoi("pack", tiny_model_dir, "model.tar.gz"))
    assert "positive" in ok(alone.byoi("predict", "--model-dir", tiny_model_dir, "good film"))
    with alone.serving("--model-dir", tiny_model_dir) as url:
        assert len(json.loads(ok(alone.byoi("invoke", url, '["good film", "bad"]')))) == 2
        assert "p_positive" in ok(alone.byoi("predict", "--endpoint", url, "good film"))


@pytest.mark.timeout(600)  # TensorFlow, on a machine where other tests compute
@pytest.mark.parametrize("alone", ["train"], indirect=True)
def test_train_alone_trains_and_predicts(alone: Environment, tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.npz")
    trained = ok(alone.byoi("train", "--data", "reviews.npz", "--output", "model"))
    assert trained.count("plot: ") == 3
    assert "p_positive" in ok(alone.byoi("predict", "--model-dir", "model", "word1"))
    ok(alone.byoi("pack", "model", "model.tar.gz"))


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """The variables of an emulator that runs with all packages."""
    with emulator.running(runner="processes", environ={}) as running:
        yield {name: value for name, value in running.variables.items() if value is not None}


@pytest.mark.parametrize("alone", ["aws"], indirect=True)
def test_aws_alone_deploys_invokes_and_deletes(
    alone: Environment, aws: dict[str, str], tiny_model_dir: Path
) -> None:
    ok(alone.byoi("pack", tiny_model_dir, "model.tar.gz"))
    deploy = ("deploy", "byoi:latest", "--name", "films", "--model-data", "model.tar.gz")
    assert "InService" in ok(alone.byoi(*deploy, "--startup-timeout", "60", **aws))
    assert "films" in ok(alone.byoi("endpoints", **aws))
    assert len(json.loads(ok(alone.byoi("invoke", "films", '["a", "b"]', **aws)))) == 2
    assert "p_positive" in ok(alone.byoi("predict", "--endpoint", "films", "a good film", **aws))
    assert "films" in ok(alone.byoi("delete", "films", **aws))
    sdk = "from byoi import hosting; print(hosting.LocalSession().boto_region_name)"
    assert ok(alone.run("-c", sdk)).strip()


@pytest.mark.parametrize("alone", ["emulator"], indirect=True)
def test_emulator_alone_runs_a_deployment(alone: Environment, tmp_path: Path) -> None:
    """With a module of the user's: the model of byoi_lib needs ONNX Runtime, of another extra."""
    model_dir = tmp_path / "model"
    model_dir.mkdir()
    (model_dir / "echo.py").write_bytes(
        Path(__file__).parents[1].joinpath("toys", "echo.py").read_bytes()
    )
    ok(alone.byoi("pack", model_dir, "model.tar.gz"))
    byoi = f"{alone.python} -m byoi.cli"
    script = f"""
        {byoi} deploy byoi:latest --name echo --model-data model.tar.gz --startup-timeout 60 \
            --env BYOI_INFERENCE_MODULE=/opt/ml/model/echo.py
        {byoi} endpoints
        {byoi} invoke echo "a good film"
        {byoi} delete echo
    """
    run = ("emulator", "--runner", "processes", "run", "--", "sh", "-ec", script)
    said = ok(alone.byoi(*run))
    assert "InService" in said
    assert '"text": "a good film"' in said
    with alone.serving("--model-dir", model_dir, "--module", model_dir / "echo.py") as url:
        assert json.loads(ok(alone.byoi("invoke", url, "--data", "x")))["bytes"] == 1


@pytest.mark.parametrize("alone", ["emulator"], indirect=True)
def test_a_model_that_lacks_its_runtime_says_so(
    alone: Environment, tiny_model_dir: Path, free_port: int
) -> None:
    done = alone.byoi("predict", "--model-dir", tiny_model_dir, "good")
    assert done.returncode == 1
    assert "model.onnx needs the Python package onnxruntime" in done.stderr
    assert "pip install '.[serve]'" in done.stderr
    served = alone.byoi("serve", "--model-dir", tiny_model_dir, "--port", free_port)
    assert served.returncode != 0
    assert "model.onnx needs the Python package onnxruntime" in served.stderr
    assert "Traceback" not in served.stderr


def hiding(*hidden: str) -> object:
    return lambda name: None if name in hidden else importlib.util.find_spec("json")


def test_few_extras_are_named_and_each_package_once() -> None:
    missing = ("boto3", "docker", "sagemaker", "boto3")
    with pytest.raises(errors.MissingPackageError) as raised:
        extras.require("this verb", *missing, find=hiding(*missing))
    assert str(raised.value).startswith("this verb needs the Python packages boto3, docker, sage")
    assert str(raised.value).endswith("pip install '.[aws]'")
    with pytest.raises(errors.MissingPackageError, match=r"package moto, .*'\.\[emulator\]'"):
        extras.require("the emulator", "boto3", "moto", find=hiding("moto"))
    with pytest.raises(errors.MissingPackageError, match=r"'\.\[aws,train\]'"):
        extras.require("all of it", "boto3", "tqdm", find=hiding("boto3", "tqdm"))


def test_what_is_installed_is_no_error() -> None:
    extras.require("this verb", *(package for row in extras.EXTRAS.values() for package in row))


def test_an_import_that_fails_late_is_one_line_too() -> None:
    error = extras.explain(ModuleNotFoundError("no keras", name="keras.layers"))
    assert error is not None
    assert "tensorflow" in str(error)
    assert extras.explain(ModuleNotFoundError("no such", name="somebodys_own")) is None


@pytest.mark.parametrize("distribution", ["sagemaker", "sagemaker-core"])
def test_another_version_of_the_sdk_is_not_the_package_that_is_needed(
    tmp_path: Path, distribution: str
) -> None:
    """Of version 3 the folder is the same and what is in it is not; a part may be installed."""
    (tmp_path / "sagemaker" / "core").mkdir(parents=True)
    (tmp_path / "sagemaker" / "__init__.py").touch()
    info = tmp_path / f"{distribution.replace('-', '_')}-9.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 9.1\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from byoi import extras, hosting;"
        "print(extras.explain(ModuleNotFoundError(name='sagemaker.local')));"
        "hosting.aws_session()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    said = (
        f"needs the Python package sagemaker below version 3, and found {distribution} 9.1; in an "
        "environment of its own, in the folder of this project's checkout: pip install '.[aws]'"
    )
    if distribution == "sagemaker":
        assert done.stdout == f"this {said}\n"
        assert done.stderr.splitlines()[-1].endswith(f": byoi.hosting {said}")
    else:  # beside this environment's own metadata of version 2
        assert "sagemaker below version 3" in done.stdout


def test_no_message_tells_to_install_from_an_index() -> None:
    root = Path(cli.__file__).parents[1]
    for package in ("byoi", "byoi_lib"):
        for path in (root / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for command in re.findall(r"pip install ([^\s]*)", text):
                # Or packages of a user's own, which a file names.
                is_known = command.startswith(("'.[", "-", "`", "...", "{packages}")) or not command
                assert is_known, f"{path}: pip install {command}"


def test_packing_needs_no_package_at_all(tmp_path: Path) -> None:
    environment = Environment(tmp_path, ())
    environment.add_project()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.json").write_text("{}")
    assert "no manifest.json" in ok(environment.byoi("pack", "model", "model.tar.gz"))
