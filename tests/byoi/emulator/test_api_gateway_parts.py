"""Parts of a call of a REST API, each by itself."""

import datetime as dt

import pytest

from byoi.emulator.api_gateway import call, mappings
from byoi.emulator.api_gateway.admission import Throttling
from byoi.emulator.api_gateway.call import DeployedApi
from byoi.emulator.aws.errors import NotEmulatedError


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def api(*paths, **methods):
    made = {verb: {"httpMethod": verb} for verb in methods or {"POST": True}}
    resources = {path: {"id": path, "methods": made} for path in paths}
    return DeployedApi("id", "us-east-1", "HEADER", (), resources, {}, {}, {})


@pytest.mark.parametrize(
    ("path", "resource", "values"),
    [
        ("/", "/", {}),
        ("/a", "/a", {}),
        ("/a/", "/a", {}),
        ("/b", "/{x}", {"x": "b"}),
        ("/a/b", "/a/b", {}),
        ("/a/c", "/a/{y}", {"y": "c"}),
        ("/a/c%20d", "/a/{y}", {"y": "c d"}),
        ("/a/c%2Fd", "/a/{y}", {"y": "c/d"}),
        ("/z/c", "/{x}/c", {"x": "z"}),
        ("/z/c/d", "/{all+}", {"all": "z/c/d"}),
    ],
)
def test_a_name_wins_over_a_variable_and_that_over_the_rest(path, resource, values):
    made = api("/{all+}", "/{x}", "/{x}/c", "/a/{y}", "/a/b", "/a", "/")
    found = call.find_route(made, "POST", path)
    assert (found.resource_path, found.parameters) == (resource, values)


def test_a_path_or_method_that_is_not_there():
    assert call.find_route(api("/a", "/a/{x}"), "POST", "/a/b/c") is None
    assert call.find_route(api("/a"), "POST", "/A") is None
    assert call.find_route(api("/a"), "GET", "/a") is None
    assert call.find_route(api("/a/{rest+}"), "POST", "/a") is None
    assert call.find_route(api("/a", ANY=True), "GET", "/a").method == {"httpMethod": "ANY"}


def test_a_bucket_fills_up_again():
    now = [0.0]
    buckets = Throttling(clock=lambda: now[0])

    def take():
        return buckets.take("bucket", rate=2, burst=3)

    assert [take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [take(), take()] == [True, False]
    now[0] = 100
    assert [take() for _ in range(4)] == [True, True, True, False]
    assert buckets.take("another", rate=2, burst=1)
    assert not buckets.take("none", rate=0, burst=0)


@pytest.mark.parametrize(
    ("period", "same", "next_"),
    [
        ("DAY", utc(2026, 11, 24, 23), utc(2026, 11, 25)),
        ("WEEK", utc(2026, 11, 29), utc(2026, 11, 30)),
        ("MONTH", utc(2026, 11, 30), utc(2026, 12, 1)),
    ],
)
def test_a_quota_begins_anew(period, same, next_):
    today = [utc(2026, 11, 24, 1)]
    buckets = Throttling(today=lambda: today[0])

    def count():
        return buckets.count("key", limit=2, period=period)

    assert [count(), count(), count()] == [True, True, False]
    today[0] = same
    assert not count()
    today[0] = next_
    assert count()


@pytest.mark.parametrize(
    ("media_type", "given", "is_binary"),
    [
        ("application/x-npy", ["application/x-npy"], True),
        ("application/x-npy; version=1, text/plain", ["application~1x-npy"], True),
        ("text/plain, application/x-npy", ["application/x-npy"], False),
        ("image/png", ["image/*"], True),
        ("image/png", ["*/*"], True),
        ("image/png", [], False),
        (None, ["*/*"], False),
    ],
)
def test_which_media_types_are_bytes(media_type, given, is_binary):
    assert mappings.is_binary(media_type, given) is is_binary


@pytest.mark.parametrize(
    ("binary", "accepts", "handling", "made"),
    [
        (False, False, None, "Zw=="),
        (False, False, "CONVERT_TO_BINARY", b"g"),
        (False, False, "CONVERT_TO_TEXT", "Zw=="),
        (False, True, None, b"g"),
        (False, True, "CONVERT_TO_TEXT", "Zw=="),
        (True, False, None, "Wnc9PQ=="),
        (True, True, None, b"Zw=="),
        (True, True, "CONVERT_TO_TEXT", "Wnc9PQ=="),
        (True, False, "CONVERT_TO_BINARY", b"Zw=="),
    ],
)
def test_a_response_as_in_the_table_of_the_developer_guide(binary, accepts, handling, made):
    found = mappings.convert_response_payload(
        b"Zw==", binary=binary, accepts_binary=accepts, handling=handling
    )
    assert found == made


@pytest.mark.parametrize(
    ("mapping", "what"),
    [
        ({"integration.request.querystring.x": "'y'"}, "integration.request.querystring.x"),
        ({"integration.request.header.Authorization": "'y'"}, "header.Authorization"),
        ({"integration.request.header.x": "method.request.body"}, "method.request.body"),
        ({"integration.request.header.x": "method.request.multivalueheader.y"}, "multivalueheader"),
    ],
)
def test_a_mapping_of_a_request_is_refused(mapping, what):
    with pytest.raises(NotEmulatedError) as caught:
        mappings.check_request_parameters(mapping)
    assert what in caught.value.message


@pytest.mark.parametrize(
    "mapping",
    [
        {"method.response.header.x": "integration.response.body.y"},
        {"method.response.header.x": "integration.response.multivalueheader.y"},
        {"method.response.other.x": "'y'"},
    ],
)
def test_a_mapping_of_a_response_is_refused(mapping):
    with pytest.raises(NotEmulatedError, match="responseParameters with"):
        mappings.check_response_parameters(mapping)
