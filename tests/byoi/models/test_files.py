"""Which file of a directory is the model."""

import sys

import pytest
from asking import load_refusal

from byoi import errors, models
from byoi.models import Kind

XGBOOST = '{"learner":{"attributes":{}'
LIGHTGBM = "tree\nversion=v4\n"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model.onnx", "", Kind.ONNX),
        ("any name.ONNX", "", Kind.ONNX),
        ("model.keras", "", Kind.KERAS),
        ("model.ubj", "", Kind.XGBOOST),
        ("model.json", XGBOOST, Kind.XGBOOST),
        ("model.model", XGBOOST, Kind.XGBOOST),
        ("model.bst", "{L\0\0\0\0\0\0\0\x07learner{", Kind.XGBOOST),
        ("xgboost-model", XGBOOST, Kind.XGBOOST),
        ("model.txt", LIGHTGBM, Kind.LIGHTGBM),
        ("model.lgb", LIGHTGBM, Kind.LIGHTGBM),
        ("model.skops", "", Kind.SKOPS),
        ("model.pkl", "", Kind.PICKLE),
        ("model.pickle", "", Kind.PICKLE),
        ("model.joblib", "", Kind.PICKLE),
    ],
)
def test_a_model_is_known_by_its_ending_or_its_first_bytes(tmp_path, name, content, kind):
    (tmp_path / name).write_text(content)
    (tmp_path / "README.md").write_text("tree")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "config.json").write_text('{"classes": 2}')
    (tmp_path / "LICENSE").touch()
    found = models.find(tmp_path)
    assert found == (tmp_path / name, kind)


@pytest.mark.parametrize("folder", [".", "1", "model/1"])
def test_a_saved_model_is_found_where_tensorflow_serving_has_it(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "saved_model.pb").touch()
    assert models.find(tmp_path) == (tmp_path / folder, Kind.SAVED_MODEL)


@pytest.mark.parametrize("name", ["weights.pt", "spiece.model", "labels.txt", "config.json"])
def test_what_no_library_here_runs_is_listed_with_what_is_wanted(tmp_path, name):
    (tmp_path / name).write_text("anything")
    assert models.find(tmp_path) is None
    message = load_refusal(tmp_path)
    assert f"{tmp_path} holds {name}: nothing that can be served" in message
    for kind in Kind:
        assert kind.value in message


def test_an_empty_directory_says_so(tmp_path):
    assert f"{tmp_path} is empty: nothing that can be served" in load_refusal(tmp_path)


def test_several_models_are_named(tmp_path):
    (tmp_path / "a.onnx").touch()
    (tmp_path / "b.keras").touch()
    assert "holds 2 models, a.onnx, b.keras; keep one, or" in load_refusal(tmp_path)


def test_two_versions_of_a_saved_model_are_two_models(tmp_path):
    for version in "12":
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").touch()
    assert "holds 2 models, 1, 2; keep one" in load_refusal(tmp_path)


def test_a_directory_that_is_not_there_is_named(tmp_path):
    message = load_refusal(tmp_path / "absent")
    assert "absent cannot be read: No such file or directory; BYOI_MODEL_DIR names" in message


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("model.onnx", "onnxruntime", "onnxruntime"),
        ("model.keras", "tensorflow", "tensorflow"),
        ("model.ubj", "xgboost", "xgboost"),
        ("model.txt", "lightgbm", "lightgbm"),
        ("model.skops", "sklearn", "scikit-learn"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_the_way_to_get_it(
    tmp_path, monkeypatch, name, module, package
):
    (tmp_path / name).write_text(LIGHTGBM)
    # As Python has it where a module cannot be imported.
    monkeypatch.setitem(sys.modules, module, None)
    message = load_refusal(tmp_path)
    assert f"{name} needs the Python package {package}, which is not installed here" in message
    assert "byoi image --requirements requirements.txt --tag NAME" in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.onnx", "no model"),
        ("model.ubj", "no model"),
        ("model.json", XGBOOST),
        ("model.txt", LIGHTGBM),
        ("model.skops", "no model"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    message = load_refusal(tmp_path, errors.ModelDataError)
    assert f"{name}: cannot be loaded (" in message
    assert "write the file again with the version of the library that is installed here" in message


def test_hidden_files_are_no_models(tmp_path):
    """macOS puts `._NAME` beside each file of an archive."""
    for name in ("m.onnx", "._m.onnx", ".DS_Store"):
        (tmp_path / name).touch()
    assert models.find(tmp_path).path.name == "m.onnx"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("model.sav", "(model.sav: rename a pickle to *.pkl, one of joblib to *.joblib)"),
        ("m.joblib.gz", "(m.joblib.gz: rename a pickle to *.pkl, one of joblib to *.joblib)"),
        ("xgboost-model", "(xgboost-model is a pickle: rename it to xgboost-model.pkl)"),
        ("model/m.onnx", "(model/m.onnx: a model goes one folder up)"),
    ],
)
def test_what_nearly_is_a_model_is_named_with_the_way_to_make_it_one(tmp_path, name, hint):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x80\x04.")
    assert f"nothing that can be served {hint}. Expected code/inference.py" in load_refusal(
        tmp_path
    )
