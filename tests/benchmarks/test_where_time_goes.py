import os
import shutil
import subprocess
import sys
import time

import own_model
import process_tree
import pytest
import serving_contenders
import where_time_goes
from serving import FIXTURE
from where_time_goes import CLOCKS, FLOOR, STAGES, Measured, Reading

BEFORE = Reading(dict.fromkeys(CLOCKS, 1.0), {"nginx": 1.0, "workers": 5.0, "supervisor": 0.0}, 100)
AFTER = Reading(
    {
        "receiving": 1.06,
        "answering": 1.82,
        "application": 1.7,
        "decoding": 1.1,
        "prediction": 1.4,
        "network": 1.3,
        "response": 1.05,
    },
    {"nginx": 1.2, "workers": 6.0, "supervisor": 0.01},
    500,
)


def test_the_stages_add_up_to_all_that_was_used():
    found = where_time_goes.stages_us(BEFORE, AFTER, requests=1000, generator_cpu_s=0.04)
    assert found == pytest.approx(
        {
            "generator": 40,
            "nginx": 200,
            "supervisor": 10,
            "receiving": 60,
            "answering": 120,
            # One second of CPU, less the two above with all that is inside them.
            "worker, the rest": 120,
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
        numbers.append(pid % 10)
        content = b"".join(number.to_bytes(8, sys.byteorder) for number in numbers)
        (tmp_path / str(pid)).write_bytes(content)
    found = where_time_goes.read(1_000_000_000, tmp_path)
    assert list(found.clocks) == list(CLOCKS)
    assert list(found.clocks.values()) == [3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0]
    assert found.calls == 3
    assert found.cpu_s == {"nginx": 0.0, "workers": 0.0, "supervisor": 0.0}


def test_the_timed_module_answers_and_counts_each_clock(tmp_path):
    shutil.copy(serving_contenders.PEERS / "byoi" / "timed.py", tmp_path)
    program = f"""
import io, os, timed
from byoi.server.app import create_app
from byoi.server.handler import Handler
from byoi.server.settings import Settings
handler = Handler(timed, "timed")
model = handler.load({str(FIXTURE)!r})
app = create_app(Settings(), handler=handler, model=model, ready=lambda: True)
def environ():
    return app.test_request_context(
        "/invocations", method="POST", data=b'[[1, 5, 6]]', content_type="application/json"
    ).request.environ
def answer(calls):
    return [b"".join(body) for body in calls]
print(*answer([app(environ(), lambda *_: None)]))
print(*answer(app.together([(environ(), lambda *_: None) for _ in range(3)])), sep="|")
print(timed.STAGES, os.getpid())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    alone, together, last = done.stdout.splitlines()
    assert alone.startswith("b'[[0.")
    assert together.count("|") == 2
    assert together.split("|") == [alone] * 3
    assert str(CLOCKS) in last
    found = where_time_goes.read(int(last.split()[-1]), tmp_path / "stages")
    clocks = found.clocks
    assert clocks["application"] > clocks["prediction"] > clocks["network"] > 0
    assert clocks["decoding"] > 0
    assert clocks["response"] > 0
    # The warm-up of the load counts nowhere; three requests were one call.
    assert found.calls == 2


def test_the_clocks_of_a_worker_run_while_a_server_answers(tmp_path):
    """The classes that are timed are those that a request passes, also after a change of names."""
    shutil.copy(serving_contenders.PEERS / "byoi" / "timed.py", tmp_path)
    shutil.copytree(FIXTURE, tmp_path / "model")
    port = str(own_model.free_port())
    environ = {
        **os.environ,
        "SAGEMAKER_BIND_TO_PORT": port,
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "BYOI_MODEL_DIR": "model",
        "BYOI_INFERENCE_MODULE": "timed.py",
    }
    command = [sys.executable, "-m", "byoi.server"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=log, stderr=log)
    running = serving_contenders.Running(serving_contenders.OURS, server.pid, int(port))
    try:
        deadline_s = time.monotonic() + 60
        while running.ask(b"[[1, 5, 6]]")[0] != 200:
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        before = where_time_goes.read(server.pid, tmp_path / "stages")
        for _ in range(20):
            assert running.ask(b"[[1, 5, 6]]")[0] == 200
        after = where_time_goes.read(server.pid, tmp_path / "stages")
    finally:
        server.terminate()
        server.wait(30)
    spent = {name: after.clocks[name] - before.clocks[name] for name in CLOCKS}
    assert all(value > 0 for value in spent.values()), spent
    assert spent["answering"] > spent["application"] > spent["prediction"] > spent["network"]
    assert after.calls - before.calls == 20


def test_requests_that_share_a_call_cost_less_each():
    bodies = [b'{"instances": [[1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]]}']
    alone_us = where_time_goes.in_process_us(FIXTURE, bodies, 1)
    # Of the same graph it was an eighth when this was written.
    assert where_time_goes.in_process_us(FIXTURE, bodies, 8) < 0.7 * alone_us


@pytest.fixture
def all_measured():
    measured = Measured()
    for number, stage in enumerate(STAGES):
        measured.ours_us[stage] += [100.0 + number, 200.0 + number]
    measured.peer_us += [500.0, 700.0]
    for part in FLOOR:
        measured.floor_us[part] += [10.0, 30.0]
    measured.alone_us += [40.0]
    measured.together += [2.5, 3.5, 2.75]
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
        "encoding and network in process, one request in a call",
        "requests that a call of `predict_fn` served, a number",
    ]
    assert "| **all** | 1,705 (1,155 to 2,255) | 1,705 (1,155 to 2,255) |" in lines
    assert lines[-1].endswith("| 2.8 (2.5 to 3.5) | 2.8 (2.5 to 3.5) |")
    assert "| **floor, all** | 60 (30 to 90) | 60 (30 to 90) |" in lines


def test_the_plot_of_the_stages_is_a_picture(all_measured, tmp_path):
    file = tmp_path / "stages.png"
    where_time_goes.plot(all_measured, file, "two cores")
    assert file.read_bytes().startswith(b"\x89PNG")
