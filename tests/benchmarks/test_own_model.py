import importlib.util
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def own_model():
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("own_model", FOLDER / "own_model.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["own_model"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def contenders(own_model):
    return {one.name: one for one in own_model.CONTENDERS}


@pytest.fixture
def measured(own_model, contenders):
    """Of two servers: the peer is faster to start and slower to answer."""
    ours = own_model.Measurements(contenders["BYOI, inference.py"])
    ours.cold_s, ours.warm_s = [3.0, 2.0, 4.0], [2.0]
    ours.request_ms, ours.requests_per_s = [2.0], [1000.0]
    ours.faults = [(400, "3 columns, expected 4"), (400, "not a number"), (400, "JSON"), (415, "?")]
    ours.installed_mb = 300.0
    peer = own_model.Measurements(contenders["LitServe"])
    peer.cold_s, peer.warm_s = [1.5], [1.0]
    peer.request_ms, peer.requests_per_s = [3.0], [500.0]
    peer.faults = [(500, "Internal Server Error")] * 3 + [(200, "[0]")]
    peer.installed_mb = 300.0
    return [ours, peer]


def test_blank_lines_and_comments_are_not_counted(own_model):
    source = "# a comment\n\nimport json\n\n\ndef f():  # why\n    # another\n    return 1\n"
    assert sys.modules["contenders"].count_lines(source) == 3
    assert sys.modules["contenders"].count_lines("") == 0


def test_a_model_file_needs_no_line_and_a_script_at_most_five(contenders):
    assert contenders["BYOI, model.onnx"].lines() == 0
    assert 1 <= contenders["BYOI, inference.py"].lines() <= 5


def test_each_contender_has_its_files_its_lock_and_a_body_for_its_rows(own_model, contenders):
    assert {"LitServe", "MLServer", "BentoML"} < set(contenders)
    for one in contenders.values():
        lock = (own_model.PEERS / f"{one.environment}.txt").read_text(encoding="utf-8")
        assert "--hash=sha256:" in lock
        assert "://" not in lock
        assert all((own_model.PEERS / name).is_file() for name in one.files)
        assert "[5.1, 3.5, 1.4, 0.2]" in one.body(own_model.ROWS).decode()


def test_the_port_of_a_script_is_the_free_one(own_model, contenders, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "model.joblib").write_bytes(b"model")
    own_model.prepare(contenders["LitServe"], tmp_path / "work", models, 1234)
    assert "port=1234" in (tmp_path / "work" / "server.py").read_text(encoding="utf-8")
    assert (tmp_path / "work" / "model.joblib").read_bytes() == b"model"


def test_labels_are_found_in_each_answer(contenders):
    answers = {
        "BYOI, model.onnx": {"predictions": [{"label": 0, "p": [0.9, 0.1]}, {"label": 1, "p": []}]},
        "BYOI, model.skops": {"predictions": [0, 1]},
        "BYOI, inference.py": [0, 1],
        "LitServe": {"output": [0, 1]},
        "MLServer": {"outputs": [{"name": "predict", "shape": [2, 1], "data": [0, 1]}]},
        "BentoML": [0, 1],
    }
    for name, answer in answers.items():
        assert contenders[name].labels(json.loads(json.dumps(answer))) == [0, 1], name


def test_a_fault_is_cut_off_or_sent_as_it_is(own_model, contenders):
    width, _, cut, unknown = own_model.FAULTS
    one = contenders["BYOI, inference.py"]
    assert json.loads(width.body(one)) == [[5.1, 3.5, 1.4]]
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.body(one))
    assert json.loads(unknown.body(one)) == own_model.ROWS


@pytest.mark.parametrize(
    ("status", "message", "cell", "is_told"),
    [
        (400, "X has 3 features, expected 4", "400, named", True),
        (500, "X has 3 features, expected 4", "500, named", False),
        (400, "Bad Request", "400, not named", False),
        (400, "line 34", "400, not named", False),
        (200, "[0]", "200, answered", False),
    ],
)
def test_a_bad_request_is_judged_by_status_and_message(own_model, status, message, cell, is_told):
    width = own_model.FAULTS[0]
    assert own_model.verdict(width, status, message) == cell
    assert own_model.is_told(width, status, message) is is_told


def test_the_first_of_each_column_is_bold_and_ratios_are_to_the_reference(own_model, measured):
    head, _, ours, peer = list(own_model.table(measured, measured[0]))
    assert head.startswith("| server | lines | first answer, cold, s |")
    assert ours == (
        "| BYOI, inference.py | **5** | 3.0 (2.0 to 4.0); 1.00 | 2.0; 1.00 | **2.00; 1.00** "
        "| **1,000; 1.00** | **300** | **3 of 4** |"
    )
    assert "| **1.5; 0.50** | **1.0; 0.50** | 3.00; 1.50 | 500; 0.50 | **300** | 0 of 4 |" in peer


def test_each_column_in_which_a_peer_is_before_is_named(own_model, measured):
    assert list(own_model.not_first(measured, measured[0])) == [
        "* BYOI, inference.py, first answer, cold, s: after LitServe.",
        "* BYOI, inference.py, first answer, warm, s: after LitServe.",
    ]


def test_the_messages_stand_below_the_table_of_bad_requests(own_model, measured):
    text = "\n".join(own_model.fault_table(measured))
    assert "| LitServe | 500, not named | 500, not named | 500, not named | 200, answered |" in text
    assert "* three columns: `3 columns, expected 4`" in text


def test_new_measurements_leave_the_notes(own_model):
    replaced = own_model.replace_measured("old\n\n## Notes\n\nkept\n", "new")
    assert replaced == "new\n\n## Notes\n\nkept\n"
    assert own_model.replace_measured("", "new\n") == "new\n"
