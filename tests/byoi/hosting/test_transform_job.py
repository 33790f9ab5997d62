"""What a batch transform asks its container before it sends rows."""

import json

from answering_server import answering

from byoi.hosting import jobs


def test_the_containers_wishes_hold_where_the_caller_has_none():
    with answering() as server:
        wanted = {
            "BatchStrategy": "SingleRecord",
            "MaxPayloadInMB": 3,
            "MaxConcurrentTransforms": 9,
        }
        server.answer = (200, "application/json", json.dumps(wanted).encode())
        found = jobs._execution_parameters(server.url, {"MaxPayloadInMB": 1})
        assert found == {"BatchStrategy": "SingleRecord"}
        server.answer = (404, "application/json", b"{}")
        assert jobs._execution_parameters(server.url, {}) == {}
    assert [path for path, _, _ in server.requests] == ["/execution-parameters"] * 2
