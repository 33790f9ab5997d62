import dataclasses
import hashlib
import json
import math

import pytest

from byoi import errors
from byoi_lib import manifest
from byoi_lib.manifest import LABELS, Golden, Manifest, digests

NAMES = ("model.keras", "model.onnx", "vocabulary.json")
AGAIN = "train again with `byoi train`, or give another model directory"


@pytest.fixture
def model_dir(tmp_path):
    for name in NAMES:
        (tmp_path / name).write_bytes(name.encode() * 10)
    return tmp_path


@pytest.fixture
def made(model_dir):
    return Manifest(
        created_with={"python": "3.11.7", "numpy": "2.4.6"},
        config={"vocabulary_size": 20_000, "max_length": 200, "dropout": 0.4},
        files=digests(model_dir),
        training_data={"name": "sample", "sha256": "ab" * 32},
        held_out_accuracy=0.875,
        golden=tuple(Golden(f"text {n}", n % 2, (0.25, 0.75)) for n in range(3)),
    )


def refused(call, *arguments):
    with pytest.raises(errors.ModelDataError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_manifest_survives_its_file(made, model_dir):
    made.write(model_dir)
    assert Manifest.read(model_dir) == made


def test_the_file_has_the_documented_keys(made, model_dir):
    made.write(model_dir)
    text = (model_dir / "manifest.json").read_text(encoding="ascii")
    content = json.loads(text)
    assert list(content) == sorted(content)
    assert text.startswith('{\n  "config"')
    assert text.endswith("}\n")
    assert content["format_version"] == manifest.FORMAT_VERSION == 1
    assert content["held_out_accuracy"] == 0.875
    assert content["labels"] == ["negative", "positive"]
    assert content["golden"][1] == {
        "text": "text 1",
        "label": 1,
        "probabilities": [0.25, 0.75],
    }
    assert content["files"]["model.onnx"] == {
        "sha256": hashlib.sha256(b"model.onnx" * 10).hexdigest(),
        "size_bytes": 100,
    }
    assert sorted(content["files"]) == sorted(NAMES)


def test_a_text_of_any_characters_survives(made, model_dir):
    golden = Golden("caf\u00e9 \U0001f600 \ud83d\n<br />", 0, (0.5, 0.5))
    dataclasses.replace(made, golden=(golden,) * 3).write(model_dir)
    assert Manifest.read(model_dir).golden[2] == golden


@pytest.mark.parametrize("name", NAMES)
def test_digests_name_the_missing_file(name, model_dir):
    (model_dir / name).unlink()
    message = refused(digests, model_dir)
    assert (
        message == f"{model_dir}/{name}: No such file or directory; copy the file there, or {AGAIN}"
    )


def test_a_missing_manifest_is_refused(tmp_path):
    message = refused(Manifest.read, tmp_path)
    assert message == f"{tmp_path}/manifest.json: No such file or directory; {AGAIN}"


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "JSONDecodeError"), (b"\xff", "UnicodeDecodeError"), (b"[" * 99_999, "RecursionError")],
)
def test_a_file_that_is_not_json_is_refused(content, kind, tmp_path):
    (tmp_path / "manifest.json").write_bytes(content)
    assert f"manifest.json: not JSON ({kind}); {AGAIN}" in refused(Manifest.read, tmp_path)


@pytest.mark.parametrize(
    ("content", "shown"), [("[]", "None"), ("{}", "None"), ('{"format_version": 2}', "2")]
)
def test_another_format_version_is_refused(content, shown, tmp_path):
    (tmp_path / "manifest.json").write_text(content)
    message = refused(Manifest.read, tmp_path)
    assert (
        f": format version {shown}, expected 1; use the byoi that wrote it, or {AGAIN}" in message
    )


def rewritten(made, model_dir, change):
    made.write(model_dir)
    path = model_dir / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "key",
    ["created_with", "config", "files", "training_data", "held_out_accuracy", "golden", "labels"],
)
def test_a_missing_key_is_named(key, made, model_dir):
    rewritten(made, model_dir, lambda content: content.pop(key))
    message = refused(Manifest.read, model_dir)
    assert message == f"{model_dir}/manifest.json: not a manifest (KeyError: '{key}'); {AGAIN}"


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("created_with", 3, "TypeError"),
        ("config", ["a"], "ValueError"),
        ("files", [], "AttributeError"),
        ("files", {"model.onnx": {"sha256": "0"}}, "TypeError"),
        ("golden", [{"text": "a"}], "KeyError"),
        ("labels", 2, "TypeError"),
    ],
)
def test_a_value_of_another_kind_is_refused(key, value, kind, made, model_dir):
    rewritten(made, model_dir, lambda content: content.update({key: value}))
    assert f"manifest.json: not a manifest ({kind}: " in refused(Manifest.read, model_dir)


GOOD = {"text": "a", "label": 0, "probabilities": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("files", {"../model.onnx": {"sha256": "0", "size_bytes": 1}}),
        ("files", {".hidden": {"sha256": "0", "size_bytes": 1}}),
        ("files", {"code/model.onnx": {"sha256": "0", "size_bytes": 1}}),
        ("files", {"": {"sha256": "0", "size_bytes": 1}}),
        ("config", {"vocabulary_size": 5}),
        ("config", {"max_length": 5}),
        ("config", {"vocabulary_size": 0, "max_length": 5}),
        ("config", {"vocabulary_size": 5, "max_length": 0}),
        ("config", {"vocabulary_size": 5, "max_length": "5"}),
        ("config", {"vocabulary_size": True, "max_length": 5}),
        ("held_out_accuracy", -0.1),
        ("held_out_accuracy", 1.1),
        ("held_out_accuracy", math.nan),
        ("held_out_accuracy", "0.5"),
        ("held_out_accuracy", True),
        ("labels", ["negative"]),
        ("labels", ["negative", "neutral", "positive"]),
        ("labels", ["negative", 1]),
        ("golden", []),
        ("golden", [GOOD] * 2),
        ("golden", [GOOD, GOOD, {**GOOD, "label": 2}]),
    ],
)
def test_a_value_out_of_range_is_refused(key, value, made, model_dir):
    rewritten(made, model_dir, lambda content: content.update({key: value}))
    message = refused(Manifest.read, model_dir)
    assert message == f"{model_dir}/manifest.json: {key} not as docs/formats.md says; {AGAIN}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("held_out_accuracy", 0),
        ("held_out_accuracy", 1),
        ("config", {"vocabulary_size": 1, "max_length": 1}),
        ("golden", [{**GOOD, "probabilities": [0, 1]}] * 4),
        (
            "files",
            {"a": {"sha256": "0", "size_bytes": 1}, "B-2_c.d": {"sha256": "0", "size_bytes": 1}},
        ),
    ],
)
def test_a_value_at_the_edge_is_taken(key, value, made, model_dir):
    rewritten(made, model_dir, lambda content: content.update({key: value}))
    assert Manifest.read(model_dir)


def test_several_wrong_values_are_all_named(made, model_dir):
    rewritten(made, model_dir, lambda content: content.update(labels=[], golden=[]))
    assert ": labels, golden not as docs/formats.md says; " in refused(Manifest.read, model_dir)


def test_a_manifest_that_could_not_be_read_is_not_written(made, model_dir):
    wrong = dataclasses.replace(made, held_out_accuracy=math.nan)
    assert ": held_out_accuracy not as " in refused(wrong.write, model_dir)
    assert not (model_dir / "manifest.json").exists()


def test_what_json_does_not_have_is_not_written(made, model_dir):
    wrong = dataclasses.replace(made, training_data={"share": math.nan})
    with pytest.raises(ValueError, match="not JSON compliant"):
        wrong.write(model_dir)
    assert not (model_dir / "manifest.json").exists()


def test_unchanged_files_are_verified(made, model_dir):
    made.verify(model_dir)
    made.verify(model_dir, ["model.onnx"])


def test_a_file_of_another_size_is_refused(made, model_dir):
    (model_dir / "model.onnx").write_bytes(b"short")
    message = refused(made.verify, model_dir)
    expected = f"model.onnx: 5 bytes, expected 100; copy the file again, or {AGAIN}"
    assert message == f"{model_dir}/{expected}"


def test_a_file_of_the_same_size_is_refused(made, model_dir):
    (model_dir / "model.onnx").write_bytes(b"x" * 100)
    message = refused(made.verify, model_dir)
    received = hashlib.sha256(b"x" * 100).hexdigest()[:12]
    expected = hashlib.sha256(b"model.onnx" * 10).hexdigest()[:12]
    assert f": sha256 {received}..., manifest.json says {expected}...; copy the" in message


def test_a_missing_file_is_refused(made, model_dir):
    (model_dir / "model.keras").unlink()
    assert "model.keras: No such file or directory; copy" in refused(made.verify, model_dir)


def test_files_that_are_not_asked_for_are_not_read(made, model_dir):
    (model_dir / "model.keras").write_bytes(b"")
    made.verify(model_dir, ["model.onnx", "vocabulary.json"])


def test_a_file_without_digest_is_refused(made, model_dir):
    message = refused(made.verify, model_dir, ["model.bin"])
    assert message == f"{model_dir}/model.bin: not listed in manifest.json; {AGAIN}"


def test_golden_texts_are_replayed_in_order(made, model_dir):
    asked = []

    def predict(texts):
        asked.extend(texts)
        return [[0.25, 0.75]] * 3

    made.replay(model_dir, predict)
    assert asked == ["text 0", "text 1", "text 2"]


def test_another_answer_is_refused(made, model_dir):
    answers = [[0.25, 0.75], [0.5, 0.75], [0.25, 0.75]]
    message = refused(made.replay, model_dir, lambda texts: answers)
    assert message == (
        f"{model_dir}/manifest.json: golden text 2 gives [0.5, 0.75], expected [0.25, 0.75] within "
        f"0.0001; use the versions under created_with, or {AGAIN}"
    )


def test_an_answer_too_few_is_no_success(made, model_dir):
    with pytest.raises(ValueError, match="zip"):
        made.replay(model_dir, lambda texts: [[0.25, 0.75]] * 2)


MADE = Golden("text", 1, (0.25, 0.75))


def test_a_label_is_its_place_among_the_names():
    # As Keras's IMDB data have them.
    assert LABELS == ("negative", "positive")


@pytest.mark.parametrize("off", [0, 0.9e-4, -0.9e-4])
def test_an_answer_within_the_tolerance_is_taken(off):
    assert MADE.difference([0.25 + off, 0.75 - off]) == ""


def test_the_tolerance_itself_is_within():
    assert Golden("a", 1, (0, 1)).difference([1e-4, 1]) == ""


@pytest.mark.parametrize(
    "answer", [[0.2502, 0.75], [0.25, 0.7498], [math.nan, 0.75], [0.25, math.nan]]
)
def test_another_answer_is_told_with_what_was_expected(answer):
    expected = f"gives {answer}, expected [0.25, 0.75] within 0.0001"
    assert MADE.difference(answer) == expected


def test_answers_are_shown_with_six_digits():
    assert MADE.difference([0.123456789, 1]).startswith("gives [0.123457, 1.0], expected")


def test_an_answer_of_another_number_of_classes_is_no_success():
    with pytest.raises(ValueError, match="zip"):
        MADE.difference([0.25])


@pytest.mark.parametrize(
    ("text", "label", "probabilities", "is_sound"),
    [
        ("a", 0, (0.5, 0.5), True),
        ("", 1, (0, 1), True),
        (None, 0, (0.5, 0.5), False),
        ("a", 2, (0.5, 0.5), False),
        ("a", 0, (0.5,), False),
        ("a", 0, (0.5, 0.25, 0.25), False),
        ("a", 0, (0.5, math.inf), False),
        ("a", 0, (0.5, "a"), False),
        ("a", 0, (0.5, True), False),
    ],
)
def test_values_of_another_kind_are_not_sound(text, label, probabilities, is_sound):
    assert Golden(text, label, probabilities).is_sound == is_sound
