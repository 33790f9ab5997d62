"""The Dockerfile of a user's own image, and what it copies."""

import os
from pathlib import Path

import pytest

from byoi import errors
from byoi.local.image_recipe import Recipe
from byoi.project import Project


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def recipe(folder: Path, base: str = "byoi:latest") -> Recipe:
    return Recipe.of(Project.find(folder), base)


WHOLE = {
    "inference.py": "import helper\n",
    "helper.py": "",
    "parts/__init__.py": "",
    "parts/words.txt": "a b",
    "parts/__pycache__/x.pyc": "",
    "train.py": "import onnxruntime\n",
    "model/weights.json": "{}",
    "requirements.txt": "scikit-learn==1.9.1  # of the model\npandas ; python_version < '3'\n",
    "requirements-dev.txt": "pytest\n",
    "sample_request.json": "[[1]]",
    "tests/test_model.py": "",
    "test_more.py": "",
    "data/rows.csv": "1",
    ".venv/x.py": "",
    "README.md": "",
}


def test_the_parts_of_a_project_go_into_the_image_and_the_rest_is_named(tmp_path) -> None:
    found = recipe(write(tmp_path, WHOLE))
    text = found.dockerfile()
    assert text.startswith("FROM byoi:latest\nRUN --mount=type=secret,id=ca-bundle")
    assert "target=/tmp/project/requirements.txt \\\n" in text
    assert " && pip check \\\n && python -c 'import numpy, sklearn'\n" in text
    end = text[text.index("COPY") :].splitlines()
    assert end == [
        "COPY model /opt/byoi/model",
        "COPY helper.py inference.py train.py /opt/program/project/",
        "COPY parts /opt/program/project/parts",
        "ENV BYOI_IMAGE_MODULE=/opt/program/project/inference.py \\",
        "    BYOI_PRELOAD=numpy,sklearn \\",
        "    BYOI_TRAINING_SCRIPT=/opt/program/project/train.py",
        "LABEL org.opencontainers.image.base.name=byoi:latest",
    ]
    assert [str(name) for _, name in found.files()] == [
        *("requirements.txt", "model/weights.json", "helper.py", "inference.py"),
        *("parts/__init__.py", "parts/words.txt", "train.py"),
    ]
    assert found.describe()[-1] == (
        "left out   README.md, data/, requirements-dev.txt, sample_request.json, test_more.py, "
        "tests/"
    )


def test_a_folder_of_code_is_taken_whole(tmp_path) -> None:
    files = {"code/inference.py": "", "code/labels.txt": "a", "other.py": "", "train.py": ""}
    text = recipe(write(tmp_path, files)).dockerfile()
    assert "COPY other.py train.py /opt/program/project/\n" in text
    assert "COPY code /opt/program/project/code\n" in text
    assert "BYOI_IMAGE_MODULE=/opt/program/project/code/inference.py" in text
    assert "RUN" not in text
    assert "/opt/byoi" not in text


def test_a_model_alone_needs_no_module(tmp_path) -> None:
    text = recipe(write(tmp_path, {"model/model.onnx": "x"}), "byoi:tensorflow").dockerfile()
    assert text.splitlines() == [
        "FROM byoi:tensorflow",
        "COPY model /opt/byoi/model",
        "LABEL org.opencontainers.image.base.name=byoi:tensorflow",
    ]


def test_a_program_train_takes_the_place_of_the_images_own(tmp_path) -> None:
    files = {"inference.py": "", "train": "#!/bin/sh\n", "train.py": ""}
    found = recipe(write(tmp_path, files))
    assert "COPY --chmod=755 train /opt/program/container/train\n" in found.dockerfile()
    assert "BYOI_TRAINING_SCRIPT" not in found.dockerfile()
    assert "train      train" in found.describe()


def test_requirements_bring_the_files_that_they_name(tmp_path) -> None:
    files = {
        "requirements.txt": "-r parts/base.txt\n--constraint=limits.txt\nlightgbm==4.7.0 \\\n"
        "    --hash=sha256:00\n",
        "parts/base.txt": "-r more.txt\nxgboost-cpu>=3",
        "parts/more.txt": "-r base.txt\nscipy",
        "limits.txt": "numpy<3",
        "inference.py": "import onnxruntime as runtime\nfrom numpy import array\n",
    }
    found = recipe(write(tmp_path, files))
    assert [str(file) for file in found.requirements] == [
        *("requirements.txt", "parts/base.txt", "limits.txt", "parts/more.txt")
    ]
    assert found.packages() == ["lightgbm==4.7.0", "xgboost-cpu>=3", "numpy<3", "scipy"]
    assert found.preloaded() == ["lightgbm", "numpy", "onnxruntime", "scipy", "xgboost"]


def test_tensorflow_is_never_preloaded(tmp_path) -> None:
    files = {"requirements.txt": "tensorflow\nkeras\n", "inference.py": "import tensorflow, keras"}
    assert recipe(write(tmp_path, files)).preloaded() == ["numpy"]


def test_what_is_wrong_with_a_project_is_said_in_one_line(tmp_path) -> None:
    def refused(match: str, project: Project) -> None:
        with pytest.raises(errors.ConfigurationError, match=match) as raised:
            list(Recipe.of(project).files())
        assert "\n" not in str(raised.value)

    folder = write(tmp_path / "project", {"notes.md": ""})
    refused("no inference.py, no requirements.txt and no model", Project.find(folder))
    refused(
        "the inference module: .*absent.py is not a file", Project(folder, folder / "absent.py")
    )
    outside = write(tmp_path, {"other/inference.py": ""}) / "other" / "inference.py"
    refused("is not below .*project, and a build reads one folder", Project(folder, outside))
    (folder / "model").mkdir()
    refused("the model directory model is empty; train first", Project.find(folder))
    module = write(folder, {"my module.py": ""}) / "my module.py"
    refused("'my module.py' cannot be used in a Dockerfile", Project(folder, module))
    module.unlink()
    requirements = write(folder, {"requirements.txt": "-r absent.txt"}) / "requirements.txt"
    named = Project(folder, requirements=requirements)
    refused("requirements.txt names a file: .*absent.txt is not a file", named)
    os.mkfifo(folder / "model" / "pipe")
    with_pipe = Project(folder, model_dir=folder / "model")
    refused("pipe is a link to a folder, or no regular file", with_pipe)
    (folder / "model" / "pipe").unlink()
    (folder / "model" / "more").symlink_to(tmp_path / "other")
    refused("more is a link to a folder, or no regular file", with_pipe)


def test_requirements_without_a_package_install_nothing(tmp_path: Path) -> None:
    (tmp_path / "inference.py").touch()
    (tmp_path / "requirements.txt").write_text("# nothing yet\n")
    assert "pip" not in Recipe.of(Project.find(tmp_path)).dockerfile()
