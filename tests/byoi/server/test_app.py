"""The contract in process, through Flask's test client; nginx and gunicorn are not involved."""

import logging
import sys
import time
from types import SimpleNamespace

import contract_cases
import pytest

from byoi.server import inference_module
from byoi.server.app import create_app
from byoi.server.handler import Handler
from byoi.server.settings import Settings


def app_for(*, behind_nginx=False, is_ready=True, **functions):
    inference_module.find(str(contract_cases.ECHO))
    echo = sys.modules[contract_cases.ECHO.stem]
    names = {name: getattr(echo, name) for name in inference_module.FUNCTIONS} | functions
    return create_app(
        Settings(),
        handler=Handler(SimpleNamespace(**names), "echo"),
        model=echo.model_fn("/m"),
        ready=lambda: is_ready,
        behind_nginx=behind_nginx,
    )


def send(app, path="/invocations", body=b"x", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return contract_cases.ClientTarget(app).send("POST", path, body, named)


class TestInProcess(contract_cases.AppCases):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return contract_cases.ClientTarget(app_for())


def test_ping_is_503_while_nobody_is_ready():
    contract_cases.assert_error(send(app_for(is_ready=False), "/ping"), 503, "NotReady")


def test_the_functions_are_called_in_order_with_exactly_these_arguments():
    calls = []

    def record(name, result):
        def function(*arguments):
            calls.append((name, arguments))
            return result

        return function

    app = app_for(
        input_fn=record("input_fn", "data"),
        predict_fn=record("predict_fn", "prediction"),
        output_fn=record("output_fn", (b"body", "a/b")),
    )
    answer = send(app, body=b"in", Content_Type="c/d; e=f", Accept="g/h")
    assert (answer.body, answer.headers["Content-Type"]) == (b"body", "a/b")
    assert calls == [
        ("input_fn", (b"in", "c/d; e=f")),
        ("predict_fn", ("data", {"model_dir": "/m", "type": "str"})),
        ("output_fn", ("prediction", "g/h")),
    ]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/csv", "text/csv"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv;q=0.5", "application/json"),
        ("text/csv, text/plain", "application/json"),
    ],
)
def test_a_body_without_a_type_is_of_the_accepted_one_where_that_is_one(accept, content_type):
    answer = send(app_for(output_fn=lambda *_: "text"), Accept=accept)
    assert answer.headers["Content-Type"] == content_type


def test_behind_nginx_the_request_id_is_nginxs():
    answer = send(app_for(behind_nginx=True), X_Request_Id="given")
    assert answer.headers["X-Request-Id"] == "given"


def test_without_nginx_a_clients_request_id_is_not_believed():
    first, second = (send(app_for(), X_Request_Id="given") for _ in range(2))
    ids = {first.headers["X-Request-Id"], second.headers["X-Request-Id"], "given"}
    assert len(ids) == 3


def test_a_request_that_nginx_gave_up_already_never_reaches_the_model():
    late = f"{time.time() - 61:.3f}"
    answer = send(app_for(behind_nginx=True, input_fn=None), X_Byoi_Sent=late)
    contract_cases.assert_error(answer, 504, "DeadlineExceeded")
    in_time = f"{time.time() - 59:.3f}"
    assert send(app_for(behind_nginx=True), X_Byoi_Sent=in_time).status == 200
    assert send(app_for(), X_Byoi_Sent=late).status == 200  # only nginx's word counts


def test_an_unexpected_error_is_logged_with_its_cause_and_id(caplog):
    with caplog.at_level(logging.ERROR):
        answer = send(app_for(), body=b"DO:raise")
    (record,) = caplog.records
    assert record.request_id == answer.json["request_id"]
    assert str(record.exc_info[1]) == "the secret cause"


def test_a_clients_fault_is_not_logged_as_an_error(caplog):
    send(app_for(), body=b"DO:malformed")
    send(app_for(), "/nowhere")
    assert caplog.records == []
