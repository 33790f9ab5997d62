import shutil
import subprocess
import sys

import process_tree
import pytest
import serving_contenders
import where_time_goes
from serving import FIXTURE
from where_time_goes import CLOCKS, FLOOR, STAGES, Measured, Reading

BEFORE = Reading(dict.fromkeys(CLOCKS, 1.0), {"nginx": 1.0, "workers": 5.0, "supervisor": 0.0})
AFTER = Reading(
    {"application": 1.7, "decoding": 1.1, "prediction": 1.4, "network": 1.3, "response": 1.05},
    {"nginx": 1.2, "workers": 6.0, "supervisor": 0.01},
)


def test_the_stages_add_up_to_all_that_was_used():
    found = where_time_goes.stages_us(BEFORE, AFTER, requests=1000, generator_cpu_s=0.04)
    assert found == pytest.approx(
        {
            "generator": 40,
            "nginx": 200,
            "supervisor": 10,
            "gunicorn": 300,
            "application": 150,
            "decoding": 100,
            "encoding": 100,
            "network": 300,
            "response": 50,
        }
    )
    assert sum(found.values()) == pytest.approx((0.04 + 0.2 + 1.0 + 0.01) / 1000 * 1e6)


def test_no_request_is_no_measurement():
    with pytest.raises(ValueError, match="no request was answered"):
        where_time_goes.stages_us(BEFORE, AFTER, requests=0, generator_cpu_s=0.04)


@pytest.mark.parametrize(
    ("pid", "name", "group"),
    [(7, "gunicorn", "workers"), (8, "gunicorn", "supervisor"), (9, "nginx", "nginx")],
)
def test_a_worker_is_a_process_with_clocks(pid, name, group):
    process = process_tree.Process(pid, 1, name, 0.0)
    assert where_time_goes.group_of(process, [7]) == group


def test_the_clocks_of_all_workers_are_added_up(tmp_path):
    for pid in (1_000_000_001, 1_000_000_002):
        numbers = [pid % 10 * 1_000_000_000 * place for place in range(1, len(CLOCKS) + 1)]
        content = b"".join(number.to_bytes(8, sys.byteorder) for number in numbers)
        (tmp_path / str(pid)).write_bytes(content)
    found = where_time_goes.read(1_000_000_000, tmp_path)
    assert list(found.clocks) == list(CLOCKS)
    assert list(found.clocks.values()) == [3.0, 6.0, 9.0, 12.0, 15.0]
    assert found.cpu_s == {"nginx": 0.0, "workers": 0.0, "supervisor": 0.0}


def test_the_timed_module_answers_and_counts_each_clock(tmp_path):
    shutil.copy(serving_contenders.PEERS / "byoi" / "timed.py", tmp_path)
    program = f"""
import flask, os, timed
app = flask.Flask("app")
model = timed.model_fn({str(FIXTURE)!r})
@app.route("/", methods=["POST"])
def answer():
    data = timed.input_fn(flask.request.data, "application/json")
    return timed.output_fn(timed.predict_fn(data, model), "application/json")[0]
print(app.test_client().post("/", data=b'[[1, 5, 6]]').text, timed.STAGES, os.getpid())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("[[0.")
    assert str(CLOCKS) in done.stdout
    clocks = where_time_goes.read(int(done.stdout.split()[-1]), tmp_path / "stages").clocks
    assert clocks["application"] > clocks["prediction"] > clocks["network"] > 0
    assert clocks["decoding"] > 0
    assert clocks["response"] > 0


@pytest.fixture
def all_measured():
    measured = Measured()
    for number, stage in enumerate(STAGES):
        measured.ours_us[stage] += [100.0 + number, 200.0 + number]
    measured.peer_us += [500.0, 700.0]
    for part in FLOOR:
        measured.floor_us[part] += [10.0, 30.0]
    return {"200 ids": measured, "12 words": measured}


def test_the_table_has_each_stage_the_peer_and_the_floor(all_measured):
    head, _, *lines = where_time_goes.table(all_measured)
    assert head == "| CPU us of a request | 200 ids | 12 words |"
    assert [line.split(" | ")[0][2:] for line in lines] == [
        *STAGES,
        "**all**",
        "FastAPI + uvicorn, all",
        *(f"floor: {part}" for part in FLOOR),
        "**floor, all**",
    ]
    assert "| **all** | 1,386 (936 to 1,836) | 1,386 (936 to 1,836) |" in lines
    assert "| **floor, all** | 60 (30 to 90) | 60 (30 to 90) |" in lines


def test_the_plot_of_the_stages_is_a_picture(all_measured, tmp_path):
    file = tmp_path / "stages.png"
    where_time_goes.plot(all_measured, file, "two cores")
    assert file.read_bytes().startswith(b"\x89PNG")
