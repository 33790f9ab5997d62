"""`byoi init`: the projects that it writes, and what it refuses."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from byoi import cli, errors, model_data, starting, testing
from byoi.project import Project

ROOT = Path(__file__).resolve().parents[2]
LINES_OF_A_SCRIPT = 5


@pytest.fixture(params=starting.KINDS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / f"my-{request.param}"
    starting.write(folder, request.param)
    return folder


def test_a_project_has_its_parts_where_the_other_verbs_find_them(project: Path) -> None:
    found = Project.find(project)
    assert found.module == project / "inference.py"
    assert found.requirements == project / "requirements.txt"
    assert found.sample == project / "sample_request.json"
    for name in (".gitignore", "README.md", "pytest.ini", "requirements-dev.txt", "train.py"):
        assert (project / name).is_file(), name


def test_its_name_stands_in_each_command_of_its_readme(project: Path) -> None:
    readme = (project / "README.md").read_text()
    assert readme.startswith(f"# {project.name}\n")
    for path in project.iterdir():
        assert "PROJECT_NAME" not in path.read_text(), path
    commands = re.findall(
        r"^    (?:byoi emulator run -- )?byoi (.+?)(?:  +#.*)?$", readme, re.MULTILINE
    )
    verbs = [command.split()[0] for command in commands]
    assert verbs == ["serve", "invoke", "image", "deploy", "deploy", "invoke", "delete"]
    for command in commands:
        cli._parser(command.split()).parse_args(command.split())


def test_its_script_is_short(project: Path) -> None:
    module = ast.parse((project / "inference.py").read_text())
    functions = [one for one in module.body if hasattr(one, "body")]
    assert sum(len(one.body) for one in functions) <= LINES_OF_A_SCRIPT
    assert all(len(one.body) == 1 for one in functions)


def test_its_packages_are_those_that_this_project_is_tested_with(project: Path) -> None:
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (project / name).read_text().splitlines():
            pinned = line.partition(";")[0].strip()
            if "==" in pinned:
                assert f"\n{pinned} " in locked, line


def test_the_command_says_what_it_wrote_and_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "churn", "--kind", "custom"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("wrote churn: .gitignore, README.md, inference.py, ")
    assert lines[1] == "next: cd churn && python train.py"
    assert cli.main(["init", "churn", "--kind", "custom"]) == 1
    assert "churn is not empty, it holds .gitignore" in capsys.readouterr().err


def test_an_empty_folder_is_filled_and_another_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    starting.write(tmp_path / "empty", "custom")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(errors.ConfigurationError, match=r"is not empty, it holds notes\.txt"):
        starting.write(tmp_path / "full", "custom")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    for name in ("file", "link"):
        with pytest.raises(errors.ConfigurationError, match="is no folder, and nothing is over"):
            starting.write(tmp_path / name, "custom")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my.model", "SageMaker takes 1 to 63 letters, digits and hyphens"),
        ("-model", "where the first and the last are not hyphens"),
        ("m" * 64, "1 to 63"),
        ("Model", "small letters only; take 'model'"),
        ("model\n", "SageMaker takes"),
    ],
)
def test_a_name_that_an_endpoint_or_an_image_cannot_have_is_refused(
    name: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.ConfigurationError, match=re.escape(reason)):
        starting.write(tmp_path / name, "custom")
    assert list(tmp_path.iterdir()) == []


def test_underscores_of_a_folder_are_hyphens_of_the_endpoint(tmp_path: Path) -> None:
    starting.write(tmp_path / "my_model", "custom")
    readme = (tmp_path / "my_model" / "README.md").read_text()
    assert readme.startswith("# my-model\n")
    assert "my_model" not in readme


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.ConfigurationError, match="cannot be written: Not a directory; name"):
        starting.write(tmp_path / "file" / "churn", "custom")


def test_another_kind_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["init", "churn", "--kind", "pytorch"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(kind in said for kind in starting.KINDS)


@pytest.mark.parametrize("kind", ["custom", "onnx"])
def test_a_project_trains_where_the_platform_says_and_answers(kind: str, tmp_path: Path) -> None:
    starting.write(tmp_path / "mine", kind)
    model_dir = tmp_path / "written here"
    subprocess.run(
        [sys.executable, "train.py", "--model-dir", str(model_dir)],
        cwd=tmp_path / "mine",
        check=True,
        capture_output=True,
    )
    assert not (tmp_path / "mine" / "model").exists()
    with testing.model(tmp_path / "mine", model_dir) as model:
        assert model.invoke(tmp_path / "mine" / "sample_request.json").status == 200


@pytest.mark.parametrize("kind", ["custom", "onnx"])
def test_what_pack_makes_of_it_serves_by_itself(kind: str, tmp_path: Path) -> None:
    project = tmp_path / "mine"
    starting.write(project, kind)
    subprocess.run([sys.executable, "train.py"], cwd=project, check=True, capture_output=True)
    assert cli.main(["pack", str(project), str(tmp_path / "m.tar.gz")]) == 0
    model_data.unpack(tmp_path / "m.tar.gz", tmp_path / "unpacked")
    sample = project / "sample_request.json"
    with testing.model("", tmp_path / "unpacked") as model:
        answer = model.invoke(sample).body
    with testing.model(project) as model:
        assert model.invoke(sample).body == answer


def test_git_ignores_no_template_and_so_hatch_puts_each_into_the_wheel() -> None:
    templates = {path for path in (ROOT / "byoi" / "templates").rglob("*") if path.is_file()}
    command = ["git", "check-ignore", *map(str, templates)]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert [line for line in ignored.splitlines() if "__pycache__" not in line] == []
