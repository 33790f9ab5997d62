"""A training script is run as AWS's containers run one."""

import json
import os
import subprocess
import sys

import pytest
from job_files import configure, failure, place

from byoi import contract, training_script
from byoi.training import Job

SHOW = (
    "import json, os, sys, beside\n"
    "told = {name: value for name, value in os.environ.items() if name.startswith('SM_')}\n"
    "with open(os.path.join(os.environ['SM_MODEL_DIR'], 'told.json'), 'w') as file:\n"
    "    json.dump({'arguments': sys.argv[1:], 'environ': told, 'name': __name__,\n"
    "               'folder': os.getcwd(), 'beside': beside.NAME}, file)\n"
)


def run(root, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own: it changes variables, arguments and the folder."""
    folder = root / "project"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(script)
    (folder / "beside.py").write_text("NAME = 'beside'\n")
    code = (
        "import sys; from pathlib import Path; from byoi import training_script as t\n"
        "sys.exit(t.run(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, folder / "train.py", root]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_script_gets_its_arguments_variables_and_folder(tmp_path) -> None:
    hyperparameters = {"epochs": "3", "name": '"a b"', "C": "0.5", "sagemaker_region": '"x"'}
    configure(tmp_path, hyperparameters)
    channel = place(tmp_path, contract.INPUT_DATA_DIR / "train-set")
    channel.mkdir()
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    place(tmp_path, contract.RESOURCE_CONFIG_FILE).write_text(json.dumps(hosts))
    done = run(tmp_path, SHOW)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "opt/ml/model/told.json").read_text())
    assert told["arguments"] == ["-C", "0.5", "--epochs", "3", "--name", "a b"]
    assert (told["name"], told["beside"]) == ("__main__", "beside")
    assert told["folder"] == str(tmp_path / "project")
    environ = told["environ"]
    assert environ["SM_CHANNEL_TRAIN-SET"] == str(channel)
    assert environ["SM_CHANNELS"] == '["train-set"]'
    assert environ["SM_HPS"] == '{"C":0.5,"epochs":3,"name":"a b"}'
    assert environ["SM_HP_NAME"] == "a b"
    assert environ["SM_USER_ARGS"] == '["-C","0.5","--epochs","3","--name","a b"]'
    assert (environ["SM_CURRENT_HOST"], environ["SM_HOSTS"]) == ("algo-2", '["algo-1","algo-2"]')
    assert environ["SM_OUTPUT_DATA_DIR"] == str(tmp_path / "opt/ml/output/data")
    assert environ["SM_INPUT_CONFIG_DIR"] == str(tmp_path / "opt/ml/input/config")
    assert int(environ["SM_NUM_CPUS"]) >= 1


def test_values_have_the_forms_of_the_toolkit() -> None:
    values = {"flag": True, "layers": [1, 2], "none": None, "options": {"b": 2, "a": 1}}
    assert training_script.arguments(values) == [
        *("--flag", "True", "--layers", "[1, 2]", "--none", "", "--options", "a=1,b=2"),
    ]
    job = Job({}, {}, contract.MODEL_DIR, contract.OUTPUT_DATA_DIR)
    found = training_script.variables(job, values, [])
    assert found["SM_HP_FLAG"] == "true"
    assert found["SM_HP_LAYERS"] == "[1,2]"
    assert found["SM_HP_NONE"] == ""
    assert found["SM_HP_OPTIONS"] == '{"a":1,"b":2}'
    assert (found["SM_HOSTS"], found["SM_CURRENT_HOST"]) == ('["algo-1"]', "algo-1")
    assert found["SM_NUM_CPUS"] == str(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise ValueError('no rows')", "ValueError: no rows"),
        ("import sys; sys.exit('no rows')", "no rows"),
        (
            "import argparse; argparse.ArgumentParser().parse_args()",
            "train.py --epochs 3 ended with status 2; the job's log has what it said",
        ),
        ("import absent", "ModuleNotFoundError: No module named 'absent'"),
    ],
)
def test_how_a_script_fails_is_the_reason_of_the_job(script, reason, tmp_path) -> None:
    configure(tmp_path, {"epochs": "3"})
    done = run(tmp_path, script)
    assert done.returncode == 1
    assert failure(tmp_path) == reason
    assert f"training failed: {reason}" in done.stderr


@pytest.mark.parametrize("script", ["raise SystemExit", "import sys; sys.exit(0)"])
def test_a_script_that_ends_itself_well_has_trained(script, tmp_path) -> None:
    assert run(tmp_path, script).returncode == 0
    assert not (tmp_path / "opt/ml/output/failure").exists()


def test_sigterm_ends_a_script_with_a_reason_unless_it_handles_that_itself(tmp_path) -> None:
    send = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    assert run(tmp_path, send).returncode == 143
    assert failure(tmp_path) == "SIGTERM stopped the job before its model was complete"
    own = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    assert run(tmp_path, own + send).returncode == 0


def test_a_missing_script_is_named(tmp_path) -> None:
    assert training_script.run(tmp_path / "fit.py", tmp_path) == 1
    told = failure(tmp_path)
    assert told.startswith("BYOI_TRAINING_SCRIPT='")
    assert told.endswith("fit.py': there is no such file; name the script that trains")
