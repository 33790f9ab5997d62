"""What is in the images, and what is not."""

import gzip
import json
import re
import tarfile
import uuid
from pathlib import Path

import images
import pytest
from containers import ROOT, build, docker

from byoi import contract

pytestmark = pytest.mark.needs("docker")
BOTH = pytest.mark.parametrize("fixture", ["image", "tensorflow_image"])


def run(image: str, *command: str) -> str:
    return docker("run", "--rm", "--network", "none", image, *command)


def test_the_default_image_is_at_most_350_mb(image) -> None:
    assert json.loads(docker("image", "inspect", image))[0]["Size"] <= 350e6


def test_the_default_image_holds_no_tensorflow_and_no_setuptools(image) -> None:
    names = ("tensorflow", "keras", "setuptools", "onnxruntime")
    code = f"import importlib.util as u; print(*(n for n in {names} if u.find_spec(n)))"
    assert run(image, "python3", "-c", code) == "onnxruntime\n"


@BOTH
def test_pip_is_that_of_the_environment_that_serves_and_what_is_there_fits(
    fixture, request
) -> None:
    code = (
        "for pip in pip pip3 'python -m pip' 'python3 -m pip'; do $pip --version; done; pip check"
    )
    lines = run(request.getfixturevalue(fixture), "sh", "-c", code).splitlines()
    for line in lines[:4]:
        assert re.match(r"pip [\d.]+ from /opt/venv/lib/python3\.\d+/site-packages/pip ", line)
    assert lines[4:] == ["No broken requirements found."]


def test_its_packages_are_those_of_the_lock(image) -> None:
    code = (
        "import importlib.metadata as m\n"
        "for d in m.distributions(): print(f'{d.name}=={d.version}')"
    )
    packages = {
        line.lower().replace("_", "-") for line in run(image, "python3", "-c", code).split()
    }
    lock = (ROOT / "requirements" / "serve.txt").read_text().lower()
    locked = {line.split()[0] for line in lock.splitlines() if line[:1].isalpha()}
    ours = {package for package in packages if package.startswith(("byoi==", "pip=="))}
    assert len(ours) == 2
    assert packages - ours <= locked
    assert {package.partition("==")[0] for package in locked} == {
        package.partition("==")[0] for package in packages - ours
    }


@BOTH
def test_the_platform_can_start_it(fixture, request) -> None:
    image = request.getfixturevalue(fixture)
    settings = json.loads(docker("image", "inspect", image))[0]["Config"]
    name, _, value = contract.BIND_TO_PORT_LABEL.partition("=")
    assert settings["Labels"][name] == value
    assert settings["Cmd"] == ["serve"]
    for key in ("Entrypoint", "User", "Volumes"):
        assert not settings.get(key)
    programs = run(image, "bash", "-c", "type -P serve train")
    assert programs.split() == ["/opt/program/container/serve", "/opt/program/container/train"]


@BOTH
def test_every_module_comes_with_its_bytecode(fixture, request) -> None:
    folders = "/opt/program /opt/venv/lib/python3*/site-packages/flask"
    count = f"for kind in py pyc; do find {folders} -name '*.'$kind | wc -l; done"
    sources, compiled = run(request.getfixturevalue(fixture), "sh", "-c", count).split()
    assert int(sources) == int(compiled) > 50


@BOTH
def test_it_is_debian_trixie_with_its_python_and_nginx(fixture, request) -> None:
    image = request.getfixturevalue(fixture)
    assert "VERSION_CODENAME=trixie" in run(image, "cat", "/etc/os-release").splitlines()
    assert re.match(r"Python 3\.13\.", run(image, "python3", "--version"))
    assert "nginx/1.26." in run(image, "nginx", "-v")


@BOTH
def test_nothing_is_cut_that_a_package_of_the_user_may_import(fixture, request) -> None:
    """Each package still has the files it was installed with, but for C's."""
    code = (
        "import csv, importlib.metadata as m\n"
        "for d in m.distributions():\n"
        "    for file, *_ in csv.reader((d.read_text('RECORD') or '').splitlines()):\n"
        "        if not d.locate_file(file).exists(): print(file)"
    )
    cut = run(request.getfixturevalue(fixture), "python3", "-c", code).splitlines()
    c_library = re.compile(r"onnxruntime/capi/libonnxruntime\.so\.|tensorflow/include/")
    assert [file for file in cut if not c_library.match(file)] == []
    assert cut


@BOTH
def test_all_of_numpy_can_be_imported(fixture, request) -> None:
    code = "from numpy import *; import numpy.testing; print(f2py.__name__)"
    assert run(request.getfixturevalue(fixture), "python3", "-c", code) == "numpy.f2py\n"


def test_onnx_runtime_reports_to_nobody(image) -> None:
    assert run(image, "printenv", "ORT_DISABLE_TELEMETRY") == "1\n"


def test_secrets_of_the_build_are_used_and_leave_no_trace(tmp_path) -> None:
    tag = images.current("secrets")
    log = images.IMAGES["secrets"].log.read_text()
    assert "Collecting flask" in log, "pip did not read its configuration"
    archive = tmp_path / "image.tar"
    docker("save", "--output", str(archive), tag)
    assert images.SECRET not in log
    found = [name for name, content in members(archive) if images.SECRET.encode() in content]
    assert found == []


def members(archive: Path):
    """Yield name and bytes of each file of a saved image: history, configuration, layers."""
    layers_bytes = 0
    with tarfile.open(archive) as image:
        for member in image:
            if member.isfile():
                content = image.extractfile(member).read()
                content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                layers_bytes += len(content)
                yield member.name, content
    assert layers_bytes > 100e6, "these are not the layers"


def test_a_second_build_takes_everything_from_the_cache(image) -> None:
    tag = f"byoi-test:{uuid.uuid4().hex}"
    try:
        log = build("--progress=plain", TAG=tag)
    finally:
        docker("rmi", "--force", tag, check=False)
    assert log.startswith("docker client: /")
    assert "BuildKit" in log.splitlines()[0]
    commands = sum("] RUN " in line or "] COPY " in line for line in log.splitlines())
    assert log.count("CACHED") >= commands > 5


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"TARGET": "torch"}, "TARGET=torch is unknown; there are serve and tensorflow"),
        ({"MODEL_DIR": "/absent"}, "MODEL_DIR=/absent is no directory with a model in it"),
        ({"CA_BUNDLE": "/absent.pem"}, "/absent.pem cannot be read"),
        ({"DOCKER": "/bin/true"}, r"no docker client with BuildKit \(found: /bin/true\)"),
    ],
)
def test_a_wrong_setting_is_named(setting, reason) -> None:
    with pytest.raises(AssertionError, match=reason):
        build(**setting)
