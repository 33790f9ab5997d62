"""The limit on instances of one request, in every format and decoder."""

import json
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from npy_bodies import npy

from byoi import errors
from byoi.formats import decode_rows, limits, numbers, tensors
from byoi.formats.signature import Signature, Tensor
from byoi.server.app import create_app
from byoi.server.handler import Handler
from byoi.server.settings import Settings
from byoi_lib import request

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
NPY = "application/x-npy"
LIMIT = 3
TABLE = Signature((Tensor("a", "int64", (None,)), Tensor("b", "int64", (None,))), ())


@pytest.fixture(autouse=True)
def small_limit(monkeypatch):
    monkeypatch.setenv(limits.VARIABLE, str(LIMIT))


def texts(body, content_type):
    return len(request.decode(body, content_type).texts)


def token_ids(body, content_type):
    return len(request.decode(body, content_type).token_ids)


def rows(body, content_type):
    return len(decode_rows(body, content_type, columns=2))


def column(body, content_type):
    return len(decode_rows(body, content_type, columns=1))


def table(body, content_type):
    return len(tensors.decode(body, content_type, TABLE).arrays["a"])


def by_default(body, content_type):
    array = numbers.decode(body, content_type)
    return len(array.item()["instances"] if array.dtype.hasobject else array)


def lines(line):
    return lambda count: "\n".join([line] * count).encode()


def listed(value):
    return lambda count: json.dumps([value] * count).encode()


def under(key, value):
    return lambda count: json.dumps({key: [value] * count}).encode()


CASES = [
    (texts, JSON, listed("")),
    (texts, JSON, under("instances", "a")),
    (texts, LINES, lines('""')),
    (texts, CSV, lines("a")),
    (texts, NPY, lambda count: npy(np.array(["a"] * count))),
    (token_ids, JSON, listed([1])),
    (token_ids, LINES, lines("[1]")),
    (token_ids, CSV, lines("1,2")),
    (token_ids, NPY, lambda count: npy(np.ones((count, 2), int))),
    (rows, JSON, listed([1, 2])),
    (rows, JSON, under("instances", [1, 2])),
    (rows, JSON, under("inputs", [1, 2])),
    (rows, LINES, lines("[1, 2]")),
    (rows, CSV, lines("1,2")),
    (rows, NPY, lambda count: npy(np.ones((count, 2)))),
    (column, JSON, listed(1)),
    (column, CSV, lines("1")),
    (table, JSON, listed({"a": 1, "b": 2})),
    (by_default, JSON, listed([1, 2])),
    (by_default, JSON, listed("a")),
    (by_default, JSON, under("instances", [1, 2])),
    (by_default, LINES, lines("1")),
    (by_default, CSV, lines("1")),
    (by_default, CSV, lines("1,2")),
    (by_default, NPY, lambda count: npy(np.ones((count, 2)))),
]


@pytest.mark.parametrize(("decode", "content_type", "body_of"), CASES)
def test_so_many_instances_are_taken_and_one_more_is_not(decode, content_type, body_of):
    assert decode(body_of(LIMIT), content_type) == LIMIT
    with pytest.raises(errors.TooManyInstances) as caught:
        decode(body_of(LIMIT + 1), content_type)
    assert f" {LIMIT}" in str(caught.value)
    assert "; send several requests, or raise BYOI_INSTANCES_LIMIT" in str(caught.value)


def test_the_message_has_what_came_and_what_is_allowed():
    with pytest.raises(errors.TooManyInstances) as caught:
        request.decode(b'["a", "b", "c", "d"]', JSON)
    assert str(caught.value) == (
        "received 4 instances, expected at most 3 in one request; send several requests, or raise "
        "BYOI_INSTANCES_LIMIT"
    )


def test_one_instance_may_have_any_number_of_values():
    many = list(range(1, 100))
    assert token_ids(json.dumps(many).encode(), JSON) == 1
    assert numbers.decode(json.dumps(many), JSON).shape == (99,)
    assert numbers.decode(npy(np.array(many)), NPY).shape == (99,)
    wave = Signature((Tensor("wave", "float32", (None,)),), ())
    body = json.dumps({"inputs": many})
    assert tensors.decode(body, JSON, wave).arrays["wave"].shape == (99,)
    assert texts(b"a\n" * 100, "text/plain") == 1


def test_empty_lines_at_the_end_are_no_instances():
    assert texts(b"a\n" * LIMIT + b"\n" * 100, CSV) == LIMIT
    assert texts(b'"a"\n' * LIMIT + b"\n" * 100, LINES) == LIMIT
    with pytest.raises(errors.TooManyInstances):
        texts(b"a\n" * LIMIT + b"\n" * 100 + b"a", CSV)


def test_a_fault_of_csv_behind_the_limit_is_still_told():
    with pytest.raises(errors.MalformedBody, match="line 4 is not CSV"):
        texts(b'a\nb\nc\n"d', CSV)


LARGE = 2**20


@pytest.mark.parametrize("instance", ['""', '"a, [b]\\""', "[1]", '{"a": [1, "b"]}', "[[1], [2]]"])
@pytest.mark.parametrize("around", ["[%s]", '\n{ "instances" : [ %s ] }', "[%s, 5", "[%s {"])
def test_a_large_json_text_is_counted_before_it_is_parsed(instance, around):
    count = LARGE // len(instance) + 1
    text = around % " ,\n".join([instance] * count)
    tracemalloc.start()
    try:
        with pytest.raises(errors.TooManyInstances) as caught:
            limits.require_of_json(text)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith("received more than 3 instances, expected at most 3")
    assert peak_bytes < 100_000


@pytest.mark.parametrize(
    "text",
    [
        f"[{', '.join(['[1]'] * LIMIT)}{'[' * LARGE}",
        f'["{"," * LARGE}", "b", "c"]',
        f"[[{'[1, 2], ' * (LARGE // 8)}[1]], [2], [3]]",
        f"[{'1, ' * LARGE}1]",
        f'{{"inputs": [{"[1], " * LARGE}[1]]}}',
        f'{{"review": "{"[" * LARGE}"}}',
        f"{'[' * LARGE}",
        f'["a", "b" {"[" * LARGE}',
        f'"{"[" * LARGE}"',
        "{" * LARGE,
    ],
)
def test_a_large_text_of_few_instances_or_of_no_json_passes(text):
    limits.require_of_json(text)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "\u00b2", "9" * 5000, "1000000001"])
def test_a_limit_that_is_none_is_refused(value, monkeypatch):
    monkeypatch.setenv(limits.VARIABLE, value)
    with pytest.raises(errors.ConfigurationError, match=r"BYOI_INSTANCES_LIMIT=.*; set one"):
        limits.instances()


@pytest.mark.parametrize(("value", "limit"), [("", limits.DEFAULT), ("1", 1), ("12", 12)])
def test_a_limit_is_read_when_it_is_needed(value, limit, monkeypatch):
    monkeypatch.setenv(limits.VARIABLE, value)
    assert limits.instances() == limit
    monkeypatch.delenv(limits.VARIABLE)
    assert limits.instances() == limits.DEFAULT


def test_the_largest_body_of_rows_of_four_numbers_is_taken():
    row = b"5.1,3.5,1.4,0.2\n"
    assert Settings().body_limit_bytes / len(row) < limits.DEFAULT


def test_the_server_hands_the_limit_to_its_workers():
    settings = Settings.from_environ({limits.VARIABLE: "7"})
    assert settings.to_environ()[limits.VARIABLE] == "7"


def test_a_module_without_input_fn_answers_413():
    handler = Handler(SimpleNamespace(model_fn=lambda _: np.asarray), "module")
    app = create_app(
        Settings(), handler=handler, model=np.asarray, ready=lambda: True, behind_nginx=False
    )
    for count, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        answer = app.test_client().post(
            "/invocations", data=json.dumps([[1, 2]] * count), content_type=JSON
        )
        assert answer.status_code == status
    assert answer.get_json()["error"] == "TooManyInstances"
    assert "received 4 instances" in answer.get_json()["message"]
