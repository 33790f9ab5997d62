"""gunicorn's lines, written by its own logger with our class in place."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from byoi.server.gunicorn_log import JsonLogger
from byoi.server.readiness import Readiness


@pytest.fixture
def state_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("BYOI_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def logger(state_dir):
    return logger_with(accesslog="-")


def logger_with(**names):
    config = Config()
    for name, value in names.items():
        config.set(name, value)
    return JsonLogger(config)


def access(logger, status="200 OK", path="/invocations"):
    response = SimpleNamespace(status=status, headers=[("X-Request-Id", "id-1")], sent=7)
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "3"}
    logger.access(response, SimpleNamespace(), environ, timedelta(seconds=1.23456))


def test_an_access_line_has_the_fields_of_nginxs(logger, capsys):
    access(logger)
    entry = json.loads(capsys.readouterr().out)
    assert entry.pop("time")
    assert entry == {
        "level": "info",
        "message": "request",
        "request_id": "id-1",
        "method": "POST",
        "path": "/invocations",
        "status": 200,
        "duration_s": 1.235,
        "request_bytes": 3,
        "response_bytes": 7,
        "content_type": "",
        "accept": "",
        "user_agent": "",
        "inference_id": "",
    }


@pytest.mark.parametrize(("status", "lines"), [("200 OK", 0), ("503 Unavailable", 1)])
def test_only_a_bad_ping_is_worth_a_line(logger, capsys, status, lines):
    access(logger, status, "/ping")
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_behind_nginx_there_is_none(state_dir, capsys):
    logger = logger_with()
    access(logger)
    logger.answered(400, "id-1", None)
    assert capsys.readouterr().out == ""


def test_what_could_not_be_parsed_has_a_line_all_the_same(logger, capsys):
    logger.answered(400, "id-1", None)
    entry = json.loads(capsys.readouterr().out)
    assert (entry["status"], entry["method"], entry["path"]) == (400, "", "")


def test_errors_are_json_on_stderr(state_dir, capsys):
    logger = logger_with()  # here and not in a fixture: it keeps the stream it finds
    logger.error("Worker (pid:%s) was sent %s!", 7, "SIGKILL")
    entry = json.loads(capsys.readouterr().err)
    assert (entry["level"], entry["message"]) == ("error", "Worker (pid:7) was sent SIGKILL!")


def test_after_a_load_failure_gunicorn_has_nothing_to_add(state_dir, capsys):
    logger = logger_with()
    logger.error("before")
    assert "before" in capsys.readouterr().err
    Readiness(state_dir).fail("the reason\n")
    logger.error("Worker (pid:%s) exited with code %s.", 7, 3)
    assert capsys.readouterr().err == ""


def test_time_is_as_everywhere(logger):
    assert logger.now().endswith("+00:00")
