import io
import json

import numpy as np
import pytest

from byoi import errors
from byoi_lib import request
from byoi_lib.request import Predictions
from byoi_lib.serializers import PredictionDeserializer, ReviewSerializer


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("good", ["good"]),
        ("", [""]),
        (["good", "bad"], ["good", "bad"]),
        (("good", "bad"), ["good", "bad"]),
        (np.array(["good", "bad"]), ["good", "bad"]),
        ([1, 5], [[1, 5]]),
        ([[1, 5], [1]], [[1, 5], [1]]),
        (np.array([1, 5]), [[1, 5]]),
        (np.array([[1, 5], [1, 6]]), [[1, 5], [1, 6]]),
        ([np.array([1, 5]), [1]], [[1, 5], [1]]),
        ("caf\u00e9 \ud83d", ["caf\u00e9 \ud83d"]),
    ],
)
def test_reviews_are_sent_as_instances(given, sent):
    body = ReviewSerializer().serialize(given)
    assert isinstance(body, bytes)
    assert json.loads(body) == {"instances": sent}


def test_what_is_sent_is_what_the_server_reads():
    serializer = ReviewSerializer()
    decoded = request.decode(serializer.serialize(["a", "b"]), serializer.CONTENT_TYPE)
    assert decoded.texts == ("a", "b")
    assert decoded.has_key


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "holds no instance"),
        ([5.5], "instance 0, position 0: 5.5"),
        (["a", None], "instance 1 is empty"),
        (["a", [1]], "unlike those before it"),
        ([[]], "instance 0 has no token ids"),
    ],
)
def test_what_the_server_would_refuse_is_not_sent(given, message):
    with pytest.raises(errors.MalformedBody, match=message):
        ReviewSerializer().serialize(given)


PAIRS = np.array([[0.1, 0.9], [0.8, 0.2]], np.float32)


@pytest.mark.parametrize("has_key", [True, False])
def test_what_the_server_answers_becomes_an_array(has_key):
    deserializer = PredictionDeserializer()
    body, media_type = request.encode(Predictions(PAIRS, has_key), deserializer.ACCEPT[0])
    stream = io.BytesIO(body)
    answer = deserializer.deserialize(stream, media_type)
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer, PAIRS)
    assert stream.closed


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "MalformedBody", "message": "no", "request_id": "1"}',
        b"<html>502</html>",
        b"\xff",
        b"",
        b"[]",
        b'{"predictions": []}',
        b'{"predictions": [0.1, 0.9]}',
        b'{"predictions": [[0.1, 0.2, 0.7]]}',
        b'{"predictions": [["a", "b"]]}',
        b'{"predictions": [[[0.1, 0.9]]]}',
        b"5",
        b"[" * 100_000,
    ],
)
def test_an_error_body_handed_over_as_an_answer_is_an_error(body):
    stream = io.BytesIO(body)
    with pytest.raises(errors.InvocationError) as caught:
        PredictionDeserializer().deserialize(stream, "application/json")
    assert caught.value.status is None
    assert caught.value.body == body.decode("utf-8", "replace")
    assert str(caught.value).startswith("the endpoint answered with an error: ")
    assert stream.closed


def test_a_stream_that_breaks_is_closed():
    class Broken(io.BytesIO):
        def read(self, *_):
            raise ConnectionResetError

    stream = Broken()
    with pytest.raises(ConnectionResetError):
        PredictionDeserializer().deserialize(stream, "application/json")
    assert stream.closed


def test_a_known_status_is_named():
    assert str(errors.InvocationError(503, "busy")) == (
        "the endpoint answered with status 503: busy"
    )
