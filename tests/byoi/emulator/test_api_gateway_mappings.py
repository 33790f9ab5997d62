"""Parameters and payloads on their way between a method and its integration."""

import pytest

from byoi.emulator.api_gateway import mappings
from byoi.emulator.aws.errors import NotEmulatedError


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
