"""Names and statuses of errors, and their body."""

import json

import pytest
from sagemaker_inference import errors as toolkit_errors

from byoi import contract, errors
from byoi.server import statuses
from byoi.server.settings import Settings


def subclasses(kind):
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


def test_every_fault_of_a_client_has_a_status_of_its_own():
    # Those of the library: a test may have made more.
    ours = {kind for kind in subclasses(errors.RequestError) if kind.__module__ == errors.__name__}
    passing = {errors.ModuleFailed}  # the server's, until the module is mended
    assert ours == set(statuses.STATUSES) - passing
    assert all(400 <= statuses.STATUSES[kind] < 500 for kind in ours)


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (errors.MalformedBody, 400, "MalformedBody"),
        (errors.NotAcceptable, 406, "NotAcceptable"),
        (errors.UnsupportedContentType, 415, "UnsupportedContentType"),
        (errors.UnsupportedContentEncoding, 415, "UnsupportedContentEncoding"),
        (errors.TooManyInstances, 413, "TooManyInstances"),
        (errors.RequestError, 400, "RequestError"),
        (errors.ModuleFailed, 503, "ModuleFailed"),
        (errors.ModelDataError, 500, "InternalError"),
        (errors.ByoiError, 500, "InternalError"),
    ],
)
def test_an_error_keeps_its_name_unless_it_is_the_servers(kind, status, name):
    assert statuses.of(kind("text")) == (status, name)


def test_a_users_own_subclass_counts_as_its_parent():
    class NoSuchColumn(errors.MalformedBody):
        pass

    assert statuses.of(NoSuchColumn("text")) == (400, "MalformedBody")


def test_the_issue_of_statuses_is_complete_and_names_are_unique():
    wanted = {400, 404, 405, 406, 408, 413, 415, 431, 500, 502, 503, 504}
    assert wanted <= set(statuses.ERRORS)
    names = [name for name, _ in statuses.ERRORS.values()]
    assert len(set(names)) == len(names)
    assert all(message.format_map(vars(Settings())) for _, message in statuses.ERRORS.values())


@pytest.mark.parametrize("message", ["short", "x" * 5000, '"\\\n' * 2000, "é😀" * 3000, ""])
def test_a_body_is_json_that_a_caller_sees_whole(message):
    body = statuses.body("Name", message, "id-1").decode()
    assert len(body) <= contract.ERROR_MESSAGE_CHARACTERS
    parsed = json.loads(body)
    assert parsed == {"error": "Name", "message": parsed["message"], "request_id": "id-1"}
    assert parsed["message"] == message or message.startswith(parsed["message"].rstrip("…"))
    assert len(body) > 1900 or parsed["message"] == message


def test_a_lone_surrogate_does_not_stop_an_error_from_being_told():
    assert json.loads(statuses.body("Name", "a\ud800b", "1"))["message"] == "a?b"


def test_a_format_that_awss_toolkit_does_not_support_is_the_clients_error():
    assert statuses.chosen(toolkit_errors.UnsupportedFormatError("a/b")) == 415
    assert statuses.chosen(ValueError()) is None
