"""Formats of payloads: the user's with another length."""

import json

import pytest

from byoi.conformance import Payload
from byoi.conformance.payload_formats import padded

SIZE = 1000


@pytest.mark.parametrize("text", ['{"inputs": [1, 2]}', " [1]\n", "3", '"a text"', "null"])
def test_json_keeps_its_value_and_no_part_of_it_is_json(text):
    found = padded(Payload(text.encode(), "application/json; charset=utf-8"), SIZE)
    assert len(found.body) == SIZE
    assert json.loads(found.body) == json.loads(text)
    assert found.content_type == "application/json; charset=utf-8"
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(found.body[: SIZE // 2])


def test_json_lines_keep_their_records():
    found = padded(Payload(b'{"a": 1}\n{"a": 2}\n', "application/x-ndjson"), SIZE)
    assert len(found.body) == SIZE
    assert [json.loads(line) for line in found.body.splitlines()] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"1,2\n", "text/csv"),
        (b"[1]", "application/octet-stream"),
        (b"not JSON", "application/json"),
        ("[1]".encode("utf-16"), "application/json"),
        (b"", "application/jsonlines"),
    ],
)
def test_another_body_allows_no_white_space(body, media_type):
    assert padded(Payload(body, media_type), SIZE) is None


def test_a_payload_that_is_large_stays_as_it_is():
    payload = Payload(b"[1, 2, 3]", "application/vnd.model+json")
    assert padded(payload, 3) == payload
