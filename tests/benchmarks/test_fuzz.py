"""A share of the fuzzers in every run of the tests, and that they find what is wrong."""

import random
import shutil
import socket
import threading
import time

import fuzz_decoders
import fuzz_http
import pytest
from fuzz_decoders import Case
from fuzz_http import Exchange, Report
from serving import FIXTURE

from byoi.local import ProcessStack

INPUTS, REQUESTS = 2_000, 150


@pytest.fixture
def seed():
    """Another one each time; every fault is told with it."""
    return random.SystemRandom().randrange(10**6)


def test_no_decoder_raises_anything_but_a_refusal(seed):
    report = fuzz_decoders.run(seed, INPUTS)
    assert report.inputs >= INPUTS
    assert min(report.outcomes[name] for name in ("decoded", "MalformedBody")) > INPUTS
    assert report.outcomes.keys() <= {
        *("decoded", "MalformedBody", "UnsupportedContentType", "NotAcceptable"),
        "TooManyInstances",
    }


@pytest.mark.parametrize("seed", [1, 10])
def test_a_seed_gives_the_same_inputs_again(seed, monkeypatch):
    tried = []
    monkeypatch.setattr(fuzz_decoders, "check", lambda case, _: tried.append(case))
    fuzz_decoders.run(seed, 50)
    first, tried[:] = list(tried), []
    fuzz_decoders.run(seed, 50)
    assert tried == first
    assert len(set(first)) > 20


@pytest.mark.parametrize(
    ("wrong", "kind", "hang_s"),
    [
        (lambda case: case.body.index(b"["), ValueError, fuzz_decoders.HANG_S),
        (lambda case: time.sleep(60) if b"1" in case.body else None, fuzz_decoders.HangError, 0.2),
    ],
)
def test_what_is_wrong_is_found_with_decoder_input_and_seed(monkeypatch, wrong, kind, hang_s):
    monkeypatch.setattr(fuzz_decoders, "DECODERS", {"the wrong one": wrong})
    monkeypatch.setattr(fuzz_decoders, "HANG_S", hang_s)
    with pytest.raises(kind) as caught:
        fuzz_decoders.run(7, 300)
    notes = "\n".join(caught.value.__notes__)
    assert "decoder: the wrong one; input: Case(body=" in notes
    assert "seed of the batch: 7" in notes


def test_one_input_can_be_looked_at():
    lines = list(fuzz_decoders.replay(b"[1, 2, 3, 4]"))
    assert len(lines) == len(fuzz_decoders.DECODERS)
    assert "read_json: [1, 2, 3, 4]" in lines
    assert any("MalformedBody" in line for line in fuzz_decoders.replay(b"["))


def test_a_tape_of_zeros_is_a_plain_input():
    assert fuzz_decoders.case_of(b"") == Case(
        fuzz_decoders._VALID[0], "application/json", "application/json"
    )


def test_a_tape_is_read_from_several_places():
    cases = fuzz_decoders.cases_of(bytes(range(48)))
    assert len(set(cases)) == 8
    assert cases[0] == fuzz_decoders.case_of(bytes(range(48)))
    assert cases[1] == fuzz_decoders.case_of(bytes([*range(6, 48), *range(6)]))


def test_an_input_is_counted_once_in_a_batch(monkeypatch):
    tried = []
    monkeypatch.setattr(fuzz_decoders, "check", lambda case, _: tried.append(case))
    report = fuzz_decoders.Report()
    fuzz_decoders.batch(3, 200, report)
    assert report.inputs == len(tried) == len(set(tried)) > 150


@pytest.mark.needs("nginx")
def test_malformed_requests_are_answered_and_break_nothing(seed, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(FIXTURE, model)
    with ProcessStack(model, environ=fuzz_http.ENVIRON) as stack:
        report = fuzz_http.run(stack.port, stack.pid, seed, REQUESTS)
        assert stack.is_ready()
        assert "Traceback" not in stack.log
    assert report.sent == REQUESTS
    assert report.faults == []
    assert list(fuzz_http.faults_of_server(report, 20)) == []
    assert {200, 400} <= report.statuses.keys()


def test_an_exchange_depends_on_its_number_alone():
    assert fuzz_http.malformed(random.Random("3:5")) == fuzz_http.malformed(random.Random("3:5"))
    assert fuzz_http.malformed(random.Random("3:5")) != fuzz_http.malformed(random.Random("3:6"))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 400 Bad\r\n\r\n<html>", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Internal\r\n\r\n", "status 500"),
        (b"SSH-2.0\r\n", "no HTTP: b'SSH-2.0"),
        (b"", "no answer and no end within 1 s"),
    ],
)
def test_a_faulty_answer_is_told_from_a_good_one(answer, fault, monkeypatch):
    monkeypatch.setattr(fuzz_http, "HANG_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.sendall(answer)
                while connection.recv(1000):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        found = fuzz_http.exchange(server.getsockname()[1], [b"GET ", b"/"], closes=False)
        thread.join()
    assert found.fault.startswith(fault)
    assert bool(found.fault) == bool(fault)
    assert found.pages == answer.count(b"<html>")


def test_what_is_wrong_with_the_server_is_told():
    report = Report(memory_mb=[100, 140], descriptors=[50, 500])
    report.pings.update({"200": 3, "503": 1})
    report.add("1:2", [b"GET"], Exchange((500,), 0, "status 500", 0.1))
    told = "\n".join(fuzz_http.faults_of_server(report, 20))
    for words in ("'503': 1", "grew by 40 MB", "500 descriptors are open"):
        assert words in told
    assert report.faults == ["1:2: status 500; sent [b'GET']"]
