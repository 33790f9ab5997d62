"""Saved code answers the next request; the model is loaded again only where it must be."""

import time
from pathlib import Path

import contract_cases
import pytest
from processes import free_port, run_to_its_end, the_line

from byoi.local.processes import ProcessStack

pytestmark = pytest.mark.needs("nginx")

MODULE = """
from pathlib import Path

import beside

LOADED = []


def model_fn(model_dir):
    with open(Path(model_dir).parent / "loads", "a") as loads:
        loads.write("loaded\\n")
    LOADED.append("kept")
    return (Path(model_dir) / "weight.txt").read_text()


def input_fn(body, content_type):
    return body


def predict_fn(data, model):
    return f"first {beside.WORD} {model} {LOADED[0]}"


def output_fn(prediction, accept):
    return prediction, "text/plain"
"""


class Project:
    """A project that is served with BYOI_RELOAD=on."""

    def __init__(self, folder, **environ):
        self.folder = folder
        (folder / "model").mkdir()
        self.save("inference.py", MODULE)
        self.save("beside.py", "WORD = 'beside'\n")
        self.save("model/weight.txt", "one")
        environ = {
            "BYOI_INFERENCE_MODULE": str(folder / "inference.py"),
            "BYOI_RELOAD": "on",
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            **environ,
        }
        self.stack = ProcessStack(folder / "model", environ=environ, log_file=folder / "log")

    def save(self, name, text):
        # As editors do: nobody reads half of it.
        unfinished = self.folder / f".{Path(name).name}"
        unfinished.write_text(text)
        unfinished.replace(self.folder / name)

    def ask(self):
        target = contract_cases.PortTarget("127.0.0.1", self.stack.port, lambda: self.stack.log)
        answer = target.send("POST", "/invocations", b"x", {"Content-Type": "text/plain"})
        return answer.status, answer.body.decode()

    def loads(self):
        return (self.folder / "loads").read_text().count("loaded")


@pytest.fixture(scope="module", params=["nginx", "gunicorn alone"])
def served(tmp_path_factory, request):
    environ = {"BYOI_NGINX": "off"} if request.param == "gunicorn alone" else {}
    project = Project(tmp_path_factory.mktemp("project"), **environ)
    with project.stack:
        yield project


@pytest.fixture
def project(served):
    """The project as it was at first."""
    served.save("inference.py", MODULE)
    served.save("beside.py", "WORD = 'beside'\n")
    served.save("model/weight.txt", "one")
    assert served.ask() == (200, "first beside one kept")
    return served


def test_the_next_request_has_a_saved_function_and_the_model_that_was_loaded(project):
    loads = project.loads()
    # In one second, and with the same size: what Python's bytecode goes by cannot tell them apart.
    for word in ("other", "third", "fours"):
        project.save("inference.py", MODULE.replace("first", word))
        started_s = time.monotonic()
        assert project.ask() == (200, f"{word} beside one kept")
        assert time.monotonic() - started_s < 1
    assert project.loads() == loads


def test_another_file_in_the_model_directory_loads_the_model_again(project):
    loads = project.loads()
    project.save("model/weight.txt", "two")
    assert project.ask() == (200, "first beside two kept")
    assert project.loads() == loads + 1
    project.save("model/more.txt", "a file that is new")
    project.ask()
    assert project.loads() == loads + 2


def test_changed_code_around_the_functions_loads_the_model_again(project):
    loads = project.loads()
    project.save("inference.py", MODULE.replace('"kept"', '"new"'))
    assert project.ask() == (200, "first beside one new")
    assert project.loads() == loads + 1


def test_a_module_beside_it_is_loaded_again(project):
    loads = project.loads()
    for word in ("another", "changed"):
        project.save("beside.py", f"WORD = '{word}'\n")
        assert project.ask() == (200, f"first {word} one kept")
    assert project.loads() == loads + 2


def test_code_that_is_no_python_is_named_with_its_line_until_it_is_mended(project):
    loads = project.loads()
    project.save("inference.py", "def predict_fn(:\n" + MODULE)
    for _ in range(2):
        status, body = project.ask()
        assert status == 503
        assert "SyntaxError: invalid syntax (inference.py, line 1)" in body
        assert '"error": "ModuleFailed"' in body
    project.save("inference.py", MODULE.replace("first", "mended"))
    assert project.ask() == (200, "mended beside one kept")
    assert project.loads() == loads, "the model was still there"
    (shown,) = [one for one in entries(project) if "(inference.py, line 1)" in one["message"]]
    assert shown["level"] == "error", "and it is shown once"


def test_a_broken_module_beside_it_is_named_until_it_is_mended(project):
    project.save("beside.py", "WORD = 'beside'\nWORD +\n")
    status, body = project.ask()
    assert (status, "beside.py, line 2" in body) == (503, True)
    project.save("beside.py", "WORD = 'mended'\n")
    assert project.ask() == (200, "first mended one kept")


def test_an_absent_module_is_named_until_it_is_there(project):
    project.save("inference.py", "import absent_one\n" + MODULE)
    status, body = project.ask()
    assert (status, "No module named 'absent_one'" in body) == (503, True)
    project.save("absent_one.py", "")
    assert project.ask() == (200, "first beside one kept")
    (project.folder / "absent_one.py").unlink()


def test_a_model_that_does_not_load_is_named_until_it_does(project):
    (project.folder / "model" / "weight.txt").unlink()
    status, body = project.ask()
    assert status == 503
    assert "FileNotFoundError" in body
    assert "inference.py, line 13, in model_fn" in body
    project.save("model/weight.txt", "three")
    assert project.ask() == (200, "first beside three kept")


def test_code_that_exits_ends_nothing(project):
    project.save("inference.py", "import sys\nsys.exit('enough')\n")
    status, body = project.ask()
    assert (status, "SystemExit: enough" in body) == (503, True)
    project.save("inference.py", MODULE)
    assert project.ask()[0] == 200


def test_an_error_in_a_function_is_the_servers_and_ends_nothing(project):
    project.save("inference.py", MODULE.replace("LOADED[0]", "LOADED[9]"))
    status, body = project.ask()
    assert (status, "IndexError" in body) == (500, True)
    (entry,) = [entry for entry in entries(project) if "IndexError" in entry["message"]]
    assert "in predict_fn" in entry["traceback"]
    project.save("inference.py", MODULE)
    assert project.ask() == (200, "first beside one kept")


def test_code_that_does_not_load_at_the_start_is_mended_too(tmp_path):
    project = Project(tmp_path)
    project.save("inference.py", "def (\n")
    with project.stack:
        status, body = project.ask()
        assert (status, "inference.py, line 1" in body) == (503, True)
        project.save("inference.py", MODULE)
        assert project.ask() == (200, "first beside one kept")


def test_a_module_that_is_imported_before_the_workers_is_refused(tmp_path):
    project = Project(tmp_path)
    done = run_to_its_end(
        BYOI_MODEL_DIR=str(project.folder / "model"),
        BYOI_INFERENCE_MODULE=str(project.folder / "inference.py"),
        BYOI_RELOAD="on",
        BYOI_PRELOAD="beside",
        PYTHONPATH=str(project.folder),
        SAGEMAKER_BIND_TO_PORT=free_port(),
    )
    assert done.returncode == 1
    assert "BYOI_PRELOAD names beside, which BYOI_RELOAD=on could not load again" in done.stderr


def test_a_switch_is_on_or_off():
    done = run_to_its_end(BYOI_RELOAD="yes")
    assert done.returncode == 2
    assert the_line(done.stderr)["message"] == "BYOI_RELOAD='yes': expected on or off"


def entries(project):
    return [contract_cases.as_json(line) for line in project.stack.log.splitlines()]


def test_a_module_of_a_package_without_init_is_loaded_again(project):
    (project.folder / "helpers").mkdir(exist_ok=True)
    project.save("helpers/word.py", "WORD = 'before'\n")
    project.save(
        "inference.py", MODULE.replace("import beside", "from helpers import word as beside")
    )
    assert project.ask() == (200, "first before one kept")
    project.save("helpers/word.py", "WORD = 'after'\n")
    assert project.ask() == (200, "first after one kept")
