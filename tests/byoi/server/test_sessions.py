"""Sessions: their ids and headers, their folders, and a module that keeps them."""

import os
import re
import signal
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from contract_cases import TEXT, assert_error, wait_until
from werkzeug.datastructures import Headers

from byoi import errors, testing
from byoi.server.context import Context
from byoi.server.sessions import Sessions, checked, new_session_value

ID = "X-Amzn-SageMaker-Session-Id"
NEW = "X-Amzn-SageMaker-New-Session-Id"
CLOSED = "X-Amzn-SageMaker-Closed-Session-Id"
# NewSessionResponseHeader of botocore's service model.
VALUE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
NOON_S = datetime(2026, 5, 17, 12, 0, 0, tzinfo=UTC).timestamp()


def test_the_value_of_a_new_session_is_the_contracts():
    assert new_session_value("a-1", NOON_S) == "a-1; Expires=2026-05-17T12:00:00Z"
    longest = "a" * (256 - len("; Expires=2026-05-17T12:00:00Z"))
    value = new_session_value(longest, NOON_S)
    assert VALUE.fullmatch(value)
    assert len(value) == 256
    for session_id in ("", "-a", "a-", "a b", "a/../b", "ä", "a\n", f"{longest}a"):
        with pytest.raises(ValueError, match="cannot be the id of a session"):
            new_session_value(session_id, NOON_S)


def test_an_id_that_a_client_sends_is_checked():
    for session_id in ("a", "A--9", "a" * 256):
        assert checked(session_id) == session_id
    for session_id in ("", "..", "a/b", "a.b", "*", "a" * 257):
        with pytest.raises(errors.MalformedBody, match="expected NEW_SESSION, or at most 256"):
            checked(session_id)


@pytest.fixture
def clock():
    return SimpleNamespace(now_s=NOON_S)


@pytest.fixture
def sessions(tmp_path, clock):
    return Sessions(tmp_path / "sessions", clock=lambda: clock.now_s)


def test_a_session_has_a_folder_until_it_is_closed(sessions):
    assert sessions.folder("a") is None
    sessions.open("a", NOON_S + 10)
    sessions.open("a-b", NOON_S + 10)
    (sessions.folder("a") / "turns").write_text("1")
    with pytest.raises(ValueError, match="the session a is open; give another id, or none"):
        sessions.open("a", NOON_S + 10)
    sessions.close("a")
    sessions.close("a")
    assert sessions.folder("a") is None
    assert sessions.folder("a-b").is_dir()


def test_it_is_gone_when_it_expires_and_its_files_with_the_next_one(sessions, clock, tmp_path):
    sessions.open("a", NOON_S + 10)
    clock.now_s += 9
    assert sessions.folder("a") is not None
    clock.now_s += 1
    assert sessions.folder("a") is None
    sessions.open("b", clock.now_s + 10)
    assert [folder.name.partition(".")[0] for folder in (tmp_path / "sessions").iterdir()] == ["b"]


def context(sessions, value=None):
    return Context(Headers({ID: value} if value else {}), sessions=sessions)


def test_the_context_knows_which_session_the_client_names(tmp_path):
    sessions = Sessions(tmp_path)
    assert (context(sessions).session_id, context(sessions).asks_session) == (None, False)
    asking = context(sessions, "NEW_SESSION")
    assert (asking.session_id, asking.asks_session, asking.session_folder) == (None, True, None)
    named = context(sessions, "a-1")
    assert (named.session_id, named.asks_session, named.session_folder) == ("a-1", False, None)
    with pytest.raises(errors.MalformedBody):
        _ = context(sessions, "../x").session_folder


def test_opening_and_closing_say_so_in_the_headers(tmp_path):
    sessions = Sessions(tmp_path)
    opening = context(sessions, "NEW_SESSION")
    session_id = opening.open_session(600)
    headers = opening.get_response_headers()
    assert set(headers) == {ID, NEW}
    assert headers[ID] == headers[NEW]
    assert VALUE.fullmatch(headers[ID])
    assert headers[ID].startswith(f"{session_id}; Expires=")
    assert opening.session_folder.is_dir()
    closing = context(sessions, session_id)
    assert closing.session_folder == opening.session_folder
    closing.close_session()
    assert closing.get_response_headers() == {CLOSED: session_id}
    assert closing.session_folder is None
    with pytest.raises(ValueError, match=r"look at context\.session_id first"):
        opening.close_session()


@pytest.mark.parametrize("lasts_s", [0, 0.5, -1, 10**9])
def test_the_time_of_a_session_is_checked(tmp_path, lasts_s):
    with pytest.raises(ValueError, match="lasts from 1 to 31622400 seconds from now on"):
        context(Sessions(tmp_path)).open_session(lasts_s)


def test_where_nothing_is_answered_there_are_none():
    with pytest.raises(ValueError, match="only available while a request is handled"):
        Context(Headers()).open_session(10)


COUNTING = """
import os

def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept, context):
    if context.asks_session:
        context.open_session(600)
    elif body == "close":
        context.close_session()
        return "closed", "text/plain"
    folder = context.session_folder
    if folder is None:
        context.set_response_status(410)
        return "no such session", "text/plain"
    turns = folder / "turns"
    with turns.open("a") as file:
        file.write(f"{os.getpid()}\\n")
    return turns.read_text(), "text/plain"
"""


@pytest.mark.parametrize(
    "proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"], ids=["nginx", "alone"]
)
def test_a_session_lives_in_all_workers_until_it_is_closed(start, proxy):
    stack = start(COUNTING, BYOI_NGINX=proxy, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    send = stack.target.send
    first = send("POST", "/invocations", b"", TEXT | {ID: "NEW_SESSION"})
    assert VALUE.fullmatch(first.headers[NEW])
    assert first.headers[ID] == first.headers[NEW]
    mine = TEXT | {ID: first.headers[NEW].partition(";")[0]}
    second = send("POST", "/invocations", b"", mine)
    assert second.body.count(b"\n") == 2
    assert second.headers.get(NEW) is None
    # Another worker has what this one left.
    worker = int(second.body.split()[0])
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: f"worker {worker} ended" in stack.log, 10)
    wait_until(stack.is_ready, 10)
    third = send("POST", "/invocations", b"", mine)
    assert third.body.count(b"\n") == 3
    assert len(set(third.body.split())) == 2
    closed = send("POST", "/invocations", b"close", mine)
    assert closed.headers[CLOSED] == mine[ID]
    assert send("POST", "/invocations", b"", mine).status == 410
    assert_error(send("POST", "/invocations", b"", TEXT | {ID: "../x"}), 400, "MalformedBody")


def test_in_the_process_of_a_test_too(tmp_path):
    module = tmp_path / "counting.py"
    module.write_text(COUNTING)
    with testing.model(module, tmp_path) as model:
        answer = model.invoke("", content_type="text/plain", headers={ID: "NEW_SESSION"})
        assert answer.body.count(b"\n") == 1
