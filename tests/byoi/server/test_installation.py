"""Packages that are installed at start, from wheels in a folder of the test."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from processes import run_to_its_end, the_line
from wheels import write_wheel

from byoi import errors
from byoi.server import installation
from byoi.server.settings import Settings

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}


@pytest.fixture
def code(tmp_path):
    """A code directory with wheels beside the script."""
    code = tmp_path / "code"
    (code / "wheels").mkdir(parents=True)
    write_wheel(code / "wheels", "byoi_toy_one", needs=["byoi_toy_two"])
    write_wheel(code / "wheels", "byoi_toy_two")
    return code


def install(code, text, **options):
    (code / "requirements.txt").write_text(text)
    environ = options.pop("environ", PLAIN)
    return installation.install(code, code.parent / "packages", environ, in_image=True, **options)


LOCAL = "--no-index\n--find-links ./wheels\n"


def test_packages_and_what_they_need_are_installed_and_the_line_says_what_it_costs(code):
    line = install(code, LOCAL + "byoi_toy_one\n")
    assert line.startswith(f"installed 2 packages of {code}/requirements.txt in ")
    assert "network isolation" in line
    assert "byoi image" in line
    target = code.parent / "packages"
    asked = "import byoi_toy_one, byoi_toy_two; print(byoi_toy_one.VERSION, byoi_toy_two.VERSION)"
    environ = installation.for_programs(PLAIN | {"PYTHONPATH": "elsewhere"}, target)
    assert environ["PYTHONPATH"] == f"{target}{os.pathsep}elsewhere"
    printed = subprocess.check_output([sys.executable, "-c", asked], env=environ, text=True)
    assert printed == "1.0 1.0\n"


def test_the_settings_of_pip_are_pips(code):
    environ = PLAIN | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(code / "wheels")}
    assert "installed 1 package " in install(code, "byoi_toy_two\n", environ=environ)


def test_hashes_are_honoured(code):
    one, two = (
        hashlib.sha256((code / "wheels" / f"byoi_toy_{name}-1.0-py3-none-any.whl").read_bytes())
        for name in ("one", "two")
    )
    right = f"byoi_toy_two==1.0 --hash=sha256:{two.hexdigest()}\n"
    assert "installed 1 package " in install(code, LOCAL + right)
    with pytest.raises(errors.ConfigurationError, match=r"DO NOT MATCH THE HASHES .* byoi.toy.two"):
        install(code, LOCAL + f"byoi_toy_two==1.0 --hash=sha256:{one.hexdigest()}\n")
    # What it needs has no hash, and pip takes it as an error.
    with pytest.raises(errors.ConfigurationError, match=r"byoi.toy.two"):
        install(code, LOCAL + f"byoi_toy_one==1.0 --hash=sha256:{one.hexdigest()}\n")


def test_an_error_of_pip_is_one_line_with_the_package(code):
    with pytest.raises(errors.ConfigurationError) as caught:
        install(code, LOCAL + "byoi_toy_two\nbyoi_absent==3.1\n")
    message = str(caught.value)
    assert f"pip cannot install {code}/requirements.txt (status 1): ERROR: " in message
    assert "byoi_absent==3.1" in message
    assert "\n" not in message


def test_without_a_file_nothing_happens_and_an_empty_one_asks_for_nothing(code):
    target = code.parent / "packages"
    assert installation.install(code, target, PLAIN, in_image=True) is None
    assert installation.for_programs({"A": "1"}, target) == {"A": "1"}
    assert "installed 0 packages" in install(code, "# none\n")


def test_the_packages_come_before_those_of_the_image(tmp_path):
    paths = ["first"]
    installation.make_importable(tmp_path / "absent", paths)
    assert paths == ["first"]
    installation.make_importable(tmp_path, paths)
    installation.make_importable(tmp_path, paths)
    assert paths == [str(tmp_path), "first"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("", "it said nothing"),
        ("a\nb\n", "a b"),
        ("Looking\nERROR: no\n  such thing\nERROR: none\n", "ERROR: no such thing ERROR: none"),
        ("ERROR: " + "x" * 2000, "ERROR: " + "x" * 693 + "…"),
    ],
)
def test_the_cause_begins_with_pips_first_error(output, expected):
    assert installation.cause(output) == expected


def test_on_a_developers_machine_it_is_refused_by_name_and_leaves_nothing(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "requirements.txt").write_text("byoi_absent\n")
    done = run_to_its_end(BYOI_INSTALL_REQUIREMENTS="1", BYOI_MODEL_DIR=str(tmp_path))
    assert done.returncode == 2
    message = the_line(done.stderr)["message"]
    assert message.startswith("BYOI_INSTALL_REQUIREMENTS=1 works only in a container")
    assert message.endswith(f"pip install -r {code}/requirements.txt")


@pytest.mark.parametrize("text", ["yes", "", "2", "true"])
def test_the_setting_is_1_or_0(text):
    with pytest.raises(errors.ConfigurationError, match="expected 1 or 0"):
        Settings.from_environ({"BYOI_INSTALL_REQUIREMENTS": text})
    chosen = Settings.from_environ({"BYOI_INSTALL_REQUIREMENTS": "1"})
    assert chosen.install_requirements == 1
    assert Settings.from_environ(chosen.to_environ()) == chosen


def test_sigterm_ends_it_and_its_pip(tmp_path):
    """As process 1 of a container, which would ignore SIGTERM without a handler."""
    (tmp_path / "requirements.txt").write_text("x\n")
    pid_file = tmp_path / "pid"
    slow = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    program = f"""
import os, sys
from pathlib import Path
from byoi.server import installation
installation.install(Path({str(tmp_path)!r}), Path({str(tmp_path / "p")!r}), os.environ,
    in_image=True, pip=(sys.executable, "-c", {json.dumps(slow)}))
"""
    with subprocess.Popen([sys.executable, "-c", program]) as running:
        end_s = time.monotonic() + 30
        while not (pid_file.exists() and pid_file.read_text()):
            assert time.monotonic() < end_s
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
