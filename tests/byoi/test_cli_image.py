"""`byoi image` up to the build, which tests/container does."""

from pathlib import Path

import pytest

from byoi import cli


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "other.py").write_text("")
    (tmp_path / "inference.py").write_text("")
    (tmp_path / "more.txt").write_text("scipy\n")
    for name in ("model", "weights"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("")
    return tmp_path


def test_the_dockerfile_is_printed_and_nothing_is_built(project, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "/absent")
    monkeypatch.chdir(project)
    assert cli.main(["image", "--dockerfile"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("FROM byoi:latest\nCOPY model /opt/byoi/model\nCOPY inference.py other")


def test_named_parts_take_the_place_of_those_that_are_found(project, capsys) -> None:
    named = ["--module", str(project / "other.py"), "--requirements", str(project / "more.txt")]
    named += ["--model-dir", str(project / "weights"), "--base", "byoi:tensorflow"]
    assert cli.main(["image", str(project), "--dockerfile", *named]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("FROM byoi:tensorflow\n")
    assert (
        "pip install --cache-dir /root/.cache/pip --progress-bar off -r /tmp/project/more.txt"
        in shown
    )
    assert "COPY weights /opt/byoi/model" in shown
    assert "BYOI_IMAGE_MODULE=/opt/program/project/other.py" in shown
    assert cli.main(["image", str(project), "--dockerfile", "--without-model"]) == 0
    assert "/opt/byoi" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--tag", "My Model"], "--tag 'My Model' is not a name of an image; expected"),
        (["--tag", "byoi:latest"], "--tag 'byoi:latest' is the name of a serving image"),
        (["--tag", "a", "--module", "absent.py"], "the inference module: absent.py is not a file"),
        (["--tag", "a", "--requirements", "r.txt"], "the requirements: r.txt is not a file"),
        (["--tag", "a", "--model-dir", "absent"], "the model directory: absent is not a directory"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(options, reason, project, capsys) -> None:
    assert cli.main(["image", str(project), *options]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"byoi: error: {reason}")
