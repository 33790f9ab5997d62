"""Whatever a module raises or sets, the server answers, and its workers live on."""

import json

import pytest
from contract_cases import TEXT, wait_until

RAISING = """
import asyncio
import os

class Panic(BaseException): pass

RAISED = {b"interrupt": KeyboardInterrupt, b"cancel": asyncio.CancelledError, b"panic": Panic,
          b"exit": SystemExit, b"generator": GeneratorExit}

def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept):
    body = body.encode() if isinstance(body, str) else body
    if body in RAISED:
        raise RAISED[body]("asked for")
    return str(os.getpid()), "text/plain"
"""


def workers(stack, asked=20):
    return {stack.target.send("POST", "/invocations", b"", TEXT).body for _ in range(asked)}


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("proxy", ["auto", "off"])
def test_what_is_no_exception_is_a_500_and_ends_no_worker(start, proxy):
    stack = start(RAISING, BYOI_NGINX=proxy, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    before = workers(stack, 1)
    for name, kind in (
        (b"interrupt", "KeyboardInterrupt"),
        (b"cancel", "CancelledError"),
        (b"panic", "Panic"),
        (b"exit", "SystemExit"),
        (b"generator", "GeneratorExit"),
    ):
        answer = stack.target.send("POST", "/invocations", name, TEXT)
        assert answer.status == 500, name
        assert kind in json.loads(answer.body)["message"]
        wait_until(lambda kind=kind: kind in stack.log, timeout_s=10)
    assert workers(stack, 3) == before


HEADERS = """
def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept, context):
    name, _, value = body.partition("=")
    context.set_response_header(0, name, value)
    return "the whole answer", "text/plain"
"""


@pytest.mark.needs("nginx")
def test_the_headers_of_the_body_and_of_nginx_are_the_servers(start):
    target = start(HEADERS).target
    for line in (
        *(b"Content-Length=1", b"Content-Length=1000", b"Transfer-Encoding=gzip"),
        *(b"X-Accel-Redirect=/ping", b"Connection=close"),
    ):
        answer = target.send("POST", "/invocations", line, TEXT)
        assert (answer.status, answer.body) == (200, b"the whole answer"), line
    assert target.send("POST", "/invocations", b"X-Mine=1", TEXT).headers["X-Mine"] == "1"
    for line in (b"X A:b=v", "X-Mine=中".encode()):
        assert target.send("POST", "/invocations", line, TEXT).status == 500
        assert "ValueError" in target.read_log()


OVERLAPS = """
import time

running = 0

def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept):
    global running
    running += 1
    time.sleep(0.3)
    most, running = running, running - 1
    return str(most), "text/plain"
"""


def test_without_nginx_another_spelling_of_the_path_waits_for_its_turn(start):
    from concurrent.futures import ThreadPoolExecutor

    stack = start(OVERLAPS, BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    paths = ["/invocations", "/%69nvocations"] * 3
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda path: stack.target.send("POST", path, b"", TEXT), paths))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"1")}
    assert stack.target.send("POST", "//invocations", b"", TEXT).status == 404
