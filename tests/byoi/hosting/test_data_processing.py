"""Filters and joins of batch transform, in the words and with the results of AWS's documents."""

import json
import re

import pytest
from botocore.exceptions import ClientError

from byoi import errors
from byoi.hosting.data_processing import DataProcessing

LINES = {"ContentType": "application/jsonlines", "SplitType": "Line"}
ROWS = {"ContentType": "text/csv", "SplitType": "Line"}
WHOLE = {"ContentType": "application/json"}
UNDERSCORE = re.escape(
    "Invalid OutputFilter: \"$['account_id','SageMakerOutput']\". Unexpected \"_\" in JsonPath. "
    'Supported operators for "application/jsonlines" are '
    "['$', '[', ']', '*', '.', ' ', ',', ':', '-', ''']"
)
TYPES = {"application/jsonlines": LINES, "text/csv": ROWS, "application/json": WHOLE}


def process(
    wanted: dict[str, str],
    content_type: str,
    records: list[bytes],
    answer: bytes,
    *,
    accept: str | None = "",
    answer_type: str = "",
) -> tuple[bytes, bytes]:
    """Return what is sent for the records, and what is written for the answer."""
    accept = content_type if accept == "" else accept
    processing = DataProcessing(wanted, TYPES[content_type], accept)
    values, sent = [], b""
    for record in records:
        read, ready = processing.prepare(record)
        values += read
        sent += ready
    return sent, processing.finish(values, answer, answer_type or accept or content_type)


def test_what_is_no_object_goes_below_a_key_of_its_own():
    # The rows of the issue, as they stand in the file: the last line has no end.
    records = [b'"good film"\n', b'"bad film"']
    sent, written = process(
        {"JoinSource": "Input"}, "application/jsonlines", records, b"[0.1, 0.9]\n[0.9, 0.1]"
    )
    assert sent == b'"good film"\n"bad film"'
    assert written == (
        b'{"SageMakerInput":"good film","SageMakerOutput":[0.1,0.9]}\n'
        b'{"SageMakerInput":"bad film","SageMakerOutput":[0.9,0.1]}\n'
    )


def test_an_object_gets_the_answer_as_a_member():
    # The example of AWS's page.
    _, written = process(
        {"JoinSource": "Input"}, "application/json", [b'{"key":1}'], b'{"label":1}'
    )
    assert written == b'{"key":1,"SageMakerOutput":{"label":1}}\n'


def test_a_member_of_that_name_is_overwritten_as_the_page_warns():
    record = b'{"SageMakerOutput": "mine"}\n'
    _, written = process({"JoinSource": "Input"}, "application/jsonlines", [record], b"2")
    assert written == b'{"SageMakerOutput":2}\n'


def test_rows_are_followed_by_their_answers():
    _, written = process({"JoinSource": "Input"}, "text/csv", [b"1,2,3\n"], b"1\n")
    assert written == b"1,2,3,1\n"


def test_an_id_is_kept_from_the_model_and_comes_back_with_its_answer():
    wanted = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    records = [b'7,"a, ""b""",x\r\n', "8,c,é\n".encode()]
    sent, written = process(wanted, "text/csv", records, b"0.5\n0.25\n")
    assert sent == '"a, ""b""",x\nc,é\n'.encode()
    assert written == b"7,0.5\n8,0.25\n"
    wanted = {
        "InputFilter": "$.features",
        "JoinSource": "Input",
        "OutputFilter": "$['id','SageMakerOutput']",
    }
    record = '{"id": "ß", "features": [1, 2], "more": null}\n'.encode()
    sent, written = process(wanted, "application/jsonlines", [record], b'{"label": 3}')
    assert sent == b"[1,2]\n"
    assert written == '{"id":"ß","SageMakerOutput":{"label":3}}\n'.encode()


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$.l", [1, 2, 3]),
        ("$['l']", [1, 2, 3]),
        ("$.l[0]", 1),
        ("$.l[-1]", 3),
        ("$.l[0,-1]", [1, 3]),
        ("$.l[1:]", [2, 3]),
        ("$.l[-2:]", [2, 3]),
        ("$.l[*]", [1, 2, 3]),
        ("$.o.*", [1, {"d": 2}]),
        ("$.o['a','c']", {"a": 1, "c": {"d": 2}}),
        # Supported, says AWS's page.
        ("$.o.['a','c']", {"a": 1, "c": {"d": 2}}),
        ("$.o.c.d", 2),
        ("$.p[*].x", [1, 2]),
        ("$.p[0,1]['x','y']", [{"x": 1, "y": 3}, {"x": 2, "y": 4}]),
        ("$['a b']", "space"),
    ],
)
def test_each_operator_of_the_page_selects(path: str, selected: object):
    record = {
        "l": [1, 2, 3],
        "o": {"a": 1, "c": {"d": 2}},
        "p": [{"x": 1, "y": 3}, {"x": 2, "y": 4}],
        "a b": "space",
    }
    sent, written = process(
        {"InputFilter": path}, "application/json", [json.dumps(record).encode()], b"5"
    )
    assert json.loads(sent) == selected
    assert written == b"5\n"


@pytest.mark.parametrize(
    ("path", "content_type", "words"),
    [
        # Both as AWS said them to its users.
        ("$['account_id','SageMakerOutput']", "application/jsonlines", UNDERSCORE),
        (
            "$[0:2,246:]",
            "text/csv",
            (
                r"Invalid JsonPath: \$\[0:2,246:\]: only single range filters of format \(eg: "
                r"\[1:5\]\) are supported"
            ),
        ),
        ("$[0,5:]", "text/csv", "only single range filters"),
        ("$" + "[0]" * 21, "text/csv", "Member must have length less than or equal to 63"),
        ("$.name", "text/csv", "only index based JSONPaths can be applied"),
        ("$[1:4]", "text/csv", r"documents disagree .* name each index"),
        ("$[:2]", "application/json", r"documents disagree .* name each index"),
        ("$[0:4:2]", "text/csv", "documents disagree"),
        ("id", "application/json", r"begins with \$"),
        ("$..id", "application/json", r"AWS takes the operators"),
        ("$[?(@.a)]", "application/json", r'Unexpected "\?" in JsonPath'),
        ("$[0", "text/csv", "is not a JSONPath"),
        ("$.", "application/json", "is not a JSONPath"),
        ("$.é", "application/json", 'Unexpected "é" in JsonPath'),
    ],
)
def test_a_filter_that_aws_does_not_take_is_refused(path: str, content_type: str, words: str):
    wanted = {"OutputFilter": path, "JoinSource": "Input"}
    with pytest.raises(ClientError, match=words) as caught:
        DataProcessing(wanted, TYPES[content_type], content_type)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match=words.replace("Output", "Input", 1)):
        DataProcessing({"InputFilter": path}, TYPES[content_type], content_type)


@pytest.mark.parametrize("wanted", [{}, {"InputFilter": "$", "JoinSource": "None"}])
def test_the_defaults_change_nothing_whatever_the_format(wanted: dict[str, str]):
    assert DataProcessing(wanted, {"ContentType": "image/png"}, None).is_idle


@pytest.mark.parametrize(
    ("given", "accept", "words"),
    [
        ({"ContentType": "image/png"}, None, "content_type='image/png'"),
        ({"ContentType": "application/x-ndjson"}, None, "content_type='application/x-ndjson'"),
        (LINES, "application/x-npy", "accept='application/x-npy'"),
        ({"ContentType": "text/csv"}, "text/csv", r'split_type="Line"'),
        (ROWS, "application/json", r"joins records and answers of the same kind"),
        (LINES, "text/csv", r"joins records and answers of the same kind"),
    ],
)
def test_formats_that_aws_does_not_join_are_refused_before_anything_starts(
    given: dict[str, str], accept: str | None, words: str
):
    with pytest.raises(errors.ConfigurationError, match=words):
        DataProcessing({"JoinSource": "Input"}, given, accept)


def test_parameters_of_a_content_type_do_not_matter():
    processing = DataProcessing({"JoinSource": "Input"}, {"ContentType": "Application/JSON"}, None)
    values, _ = processing.prepare(b"1")
    assert processing.finish(values, b"2", "application/json; charset=utf-8") == (
        b'{"SageMakerInput":1,"SageMakerOutput":2}\n'
    )


def test_an_answer_may_be_filtered_without_a_join_in_its_own_format():
    wanted = {"InputFilter": "$[1:]", "OutputFilter": "$['class']"}
    sent, written = process(
        wanted, "text/csv", [b"1,2\n"], b'{"class": "a", "p": 1}', accept="application/json"
    )
    assert (sent, written) == (b"2\n", b'"a"\n')


def test_a_byte_order_mark_is_no_part_of_the_first_record():
    _, written = process({"JoinSource": "Input"}, "text/csv", [b"\xef\xbb\xbf1\n"], b"2")
    assert written == b"1,2\n"
    _, written = process({"JoinSource": "Input"}, "application/json", [b"\xef\xbb\xbf[1]"], b"2")
    assert written == b'{"SageMakerInput":[1],"SageMakerOutput":2}\n'


def test_blank_lines_are_no_records():
    records = [b"1\n", b"\n", b"2\n", b" \r\n"]
    _, written = process({"JoinSource": "Input"}, "application/jsonlines", records, b"3\n\n4\n")
    assert len(written.splitlines()) == 2


@pytest.mark.parametrize(
    ("content_type", "records", "answer", "answer_type", "words"),
    [
        ("text/csv", [b"1\n"], b"[[3]]", "application/json", "Failed to parse output .* as CSV"),
        ("application/jsonlines", [b"1\n"], b"3", "text/csv", "cannot be filtered or joined"),
        ("application/json", [b"1"], b"3", "application/x-npy", "cannot be filtered or joined"),
        ("application/json", [b"1"], b"<html>", "application/json", "not application/json"),
        (
            "application/jsonlines",
            [b"1\n", b"2\n"],
            b"[3, 4]",
            "application/json",
            'one answer for each record; 2 were sent at once and 1 of .* strategy="SingleRecord"',
        ),
        ("text/csv", [b"1\n"], b"1\n2\n", "text/csv", "1 were sent at once and 2 of text/csv"),
    ],
)
def test_an_answer_that_cannot_be_joined_fails_the_job(
    content_type: str, records: list[bytes], answer: bytes, answer_type: str, words: str
):
    with pytest.raises(errors.JobFailedError, match=words):
        process(
            {"JoinSource": "Input"},
            content_type,
            records,
            answer,
            accept=None,
            answer_type=answer_type,
        )


@pytest.mark.parametrize(
    ("content_type", "record", "path", "words"),
    [
        ("application/jsonlines", b"{bad\n", "$.a", r"not application/jsonlines of UTF-8: '\{bad"),
        ("application/jsonlines", b"[" * 100_000, "$.a", "not application/jsonlines"),
        ("application/json", b"\xff", "$.a", "not application/json of UTF-8"),
        # On AWS, no field has a newline in it.
        ("text/csv", b'1,"a\n', "$[0]", "not text/csv of UTF-8"),
        ("text/csv", b"1,2\n", "$[2]", r"InputFilter '\$\[2\]' leads to nothing in the record"),
        ("application/json", b'{"a": 1}', "$.b", r"leads to nothing in the record \{'a': 1\}"),
        ("application/json", b'{"a": 1}', "$['a','b']", "leads to nothing"),
        ("application/json", b'{"a": 1}', "$.a.b", "leads to nothing"),
        ("application/json", b'"text"', "$[0]", "leads to nothing"),
        ("application/json", b"5", "$.*", "leads to nothing"),
    ],
)
def test_a_record_that_cannot_be_filtered_fails_the_job(
    content_type: str, record: bytes, path: str, words: str
):
    processing = DataProcessing({"InputFilter": path}, TYPES[content_type], None)
    with pytest.raises(errors.JobFailedError, match=words):
        processing.prepare(record)
