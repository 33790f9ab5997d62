import contextlib
import tracemalloc

import pytest

from byoi import errors
from byoi.formats import content_types
from byoi.formats.content_types import negotiate, parse

OFFERED = "application/json, application/jsonlines, text/csv, application/x-npy"
TAKEN = "application/json, application/jsonlines, text/csv, text/plain, application/x-npy"


def test_the_names_are_those_of_the_sdk_and_the_registry():
    assert ", ".join(content_types.REQUEST_TYPES) == TAKEN
    assert ", ".join(content_types.RESPONSE_TYPES) == OFFERED


@pytest.mark.parametrize(
    ("header", "media_type", "charset"),
    [
        ("application/json", "application/json", "utf-8"),
        ("", "application/json", "utf-8"),
        ("  ", "application/json", "utf-8"),
        ("Application/JSON", "application/json", "utf-8"),
        ("application/json;", "application/json", "utf-8"),
        ('text/csv; Charset="UTF-8"', "text/csv", "utf-8"),
        ("text/csv;charset=utf8;header=absent", "text/csv", "utf-8"),
        ("text/csv; header=ABSENT", "text/csv", "utf-8"),
        ("text/plain; charset=latin1", "text/plain", "iso8859-1"),
        ("text/plain; format=flowed; charset=ISO-8859-15", "text/plain", "iso8859-15"),
        ("text/plain; charset=windows-1252", "text/plain", "cp1252"),
        ("text/plain; charset=us-ascii", "text/plain", "ascii"),
        ("application/jsonlines; charset=UTF-16", "application/jsonlines", "utf-16"),
        ("application/x-npy; header=present", "application/x-npy", "utf-8"),
        ("text/plain; header=present", "text/plain", "utf-8"),
        ("application/jsonl", "application/jsonlines", "utf-8"),
        ("application/x-ndjson", "application/jsonlines", "utf-8"),
        ("Application/NDJSON; charset=latin1", "application/jsonlines", "iso8859-1"),
        ("application/x-jsonlines", "application/jsonlines", "utf-8"),
        ("application/x-jsonl", "application/jsonlines", "utf-8"),
    ],
)
def test_a_content_type_is_parsed(header, media_type, charset):
    assert parse(header) == (media_type, charset)


@pytest.mark.parametrize(
    "header",
    ["image/png", "json", "application/json, text/csv", ";", "text/*", "text/html", "a" * 99],
)
def test_another_content_type_is_refused_with_those_there_are(header):
    with pytest.raises(errors.UnsupportedContentType) as caught:
        parse(header)
    assert str(caught.value) == f"no decoder for Content-Type {header!r}; send one of {TAKEN}"


@pytest.mark.parametrize("function", [parse, negotiate, content_types.is_any])
def test_headers_of_any_length_and_number_leave_no_memory_behind(function):
    def ask(number):
        with contextlib.suppress(errors.RequestError):
            function(f"text/csv; x={number}{'a' * 3_000}")

    ask(0)
    tracemalloc.start()
    try:
        for number in range(100):
            ask(number)
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left_bytes < 100_000


def test_a_header_that_comes_again_is_refused_again():
    for _ in range(2):
        with pytest.raises(errors.UnsupportedContentType, match="'image/png'"):
            parse("image/png")
        with pytest.raises(errors.NotAcceptable, match="'image/png'"):
            negotiate("image/png")


def test_a_long_header_is_cut_in_the_message():
    with pytest.raises(errors.UnsupportedContentType) as caught:
        parse("x" * 101)
    assert f"Content-Type '{'x' * 100}'...; send" in str(caught.value)


@pytest.mark.parametrize(
    "charset", ["idna", "zlib", "klingon", "unicode_escape", "utf-7", "\ud83d"]
)
def test_another_charset_is_refused(charset):
    with pytest.raises(
        errors.UnsupportedContentType, match=r"charset .* cannot be read; send utf-8"
    ):
        parse(f'text/plain; charset="{charset}"')


def test_a_csv_header_row_is_refused():
    with pytest.raises(errors.UnsupportedContentType, match="without a header row; send rows only"):
        parse("text/csv; header=present")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/json"),
        (" ", "application/json"),
        (",", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/jsonlines", "application/jsonlines"),
        ("text/csv", "text/csv"),
        ("application/x-npy", "application/x-npy"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("text/*", "text/csv"),
        ("application/*", "application/json"),
        ("image/png, */*;q=0.1", "application/json"),
        ("text/csv;q=0.4, application/json;q=0.5", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("text/csv;q=0.4, application/*;q=0.5", "application/json"),
        ("text/csv, */*", "text/csv"),
        ("*/*, application/x-npy", "application/x-npy"),
        ("application/*, text/csv", "text/csv"),
        ("*/*, text/*", "text/csv"),
        ("application/x-npy, text/csv", "application/x-npy"),
        ("text/csv, application/x-npy", "text/csv"),
        ("application/json;q=0, */*", "application/jsonlines"),
        ("*/*, application/json;q=0", "application/jsonlines"),
        ("application/*;q=0, */*", "text/csv"),
        ("application/json;q=0.1, */*", "application/jsonlines"),
        ("application/json;q=1, text/csv;q=1.0", "application/json"),
        ("application/json;q=nonsense, text/csv;q=0.1", "text/csv"),
        ("application/json;q=nan, text/csv;q=0.1", "text/csv"),
        ("application/json;q=1.1, text/csv;q=0.1", "text/csv"),
        ("application/json;q=-1, text/csv;q=0.1", "text/csv"),
        ("text/csv;q=0.2, text/csv;q=0.9, application/json;q=0.5", "text/csv"),
        ("text/html, image/gif, *; q=.2, */*; q=.2", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("Application/JSONL; charset=utf-8", "application/jsonl"),
        ("application/jsonlines;q=0.1, application/x-ndjson", "application/x-ndjson"),
        ("application/jsonl, application/ndjson", "application/jsonl"),
        ("application/json, application/x-ndjson", "application/json"),
        ("application/*;q=0.1, application/x-jsonl", "application/x-jsonl"),
        ("*/*;q=0.5, application/x-jsonlines;q=0, application/json;q=0", "text/csv"),
    ],
)
def test_the_response_type_the_client_prefers_is_chosen(accept, chosen):
    assert negotiate(accept) == chosen


@pytest.mark.parametrize(
    "accept", ["image/png", "application/json;q=0", "*/*;q=0", "json", "image/*"]
)
def test_an_accept_that_nothing_satisfies_is_refused_with_what_there_is(accept):
    with pytest.raises(errors.NotAcceptable) as caught:
        negotiate(accept)
    assert str(caught.value) == f"no encoder for Accept {accept!r}; accept one of {OFFERED}"


def test_a_body_that_is_nested_too_deeply_counts_as_json():
    assert content_types.of_body(b"[" * 200_000) == content_types.JSON
