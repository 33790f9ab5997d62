"""What gunicorn refuses by itself."""

import json
import socket

import pytest
from gunicorn.http import errors as http_errors

from byoi.server import worker
from byoi.server.settings import Settings


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (http_errors.LimitRequestHeaders("x"), 431),
        (http_errors.LimitRequestLine(9000, 8190), 414),
        (http_errors.ExpectationFailed("x"), 417),
        (http_errors.UnsupportedTransferCoding("x"), 501),
        (http_errors.InvalidHTTPVersion("9.9"), 505),
        (http_errors.InvalidHeader("x"), 400),
        (http_errors.InvalidResponseHeader("x"), 500),
        (ValueError("x"), 500),
    ],
)
def test_each_of_gunicorns_errors_has_a_status(error, status):
    assert worker.status_of(error) == status


def test_an_error_is_written_as_a_whole_response_and_leaves_the_client_alone_if_gone():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker.send_error(ours, 431, Settings(), "id-1")
        ours.close()
        head, _, body = theirs.makefile("rb").read().partition(b"\r\n\r\n")
        worker.send_error(ours, 431, Settings(), "id-1")  # closed: nothing is raised
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"\r\nX-Request-Id: id-1" in head
    assert b"Content-Length: %d" % len(body) in head
    assert json.loads(body)["error"] == "HeadersTooLarge"


def test_a_request_without_headers_has_no_id():
    assert worker.request_id_of(None) is None
