"""`byoi invoke --stream`, and the sample request that `byoi invoke` sends by itself."""

import contextlib
import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from byoi import cli, errors, invocation
from byoi.local import processes

BYOI = Path(sys.executable).with_name("byoi")
TOYS = Path(__file__).resolve().parents[1] / "toys"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that streams what a request asks for."""
    environ = {"BYOI_INFERENCE_MODULE": str(TOYS / "stream.py")}
    with processes.ProcessStack(tmp_path_factory.mktemp("model"), environ=environ) as stack:
        yield stack.url


def streamed(url: str, *steps: object) -> subprocess.CompletedProcess[bytes]:
    command = [BYOI, "invoke", url, json.dumps(steps), "--stream"]
    return subprocess.run(command, capture_output=True, check=False)


@contextlib.contextmanager
def answering(*answer: bytes) -> Iterator[str]:
    """Answer one request with these bytes, each sent by itself, and close the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                received = b""
                while not received.endswith(b"[]"):
                    received += connection.recv(65536)
                for piece in answer:
                    connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def test_the_first_piece_is_printed_long_before_the_last_is_made(url: str) -> None:
    command = [BYOI, "invoke", url, json.dumps(["one ", 3.0, "two"]), "--stream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"one "
        assert process.poll() is None
        assert process.stdout.read() == b"two\n"
    assert process.returncode == 0


def test_a_stream_that_breaks_is_an_error_after_what_came(url: str) -> None:
    done = streamed(url, "one", "two", 0.1, "DO:raise")
    assert done.returncode == 1
    assert done.stdout == b"onetwo\n"
    assert done.stderr == (
        b"byoi: error: the stream broke after 6 bytes, which are not the whole answer: "
        b"it ended early; the endpoint's log says why\n"
    )


def test_an_error_before_the_first_piece_is_an_error_of_the_endpoint(url: str) -> None:
    done = streamed(url, "DO:malformed")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"the endpoint answered with status 400: " in done.stderr


def test_an_answer_in_one_piece_may_be_streamed_too() -> None:
    with (
        answering(HEAD + b"Content-Length: 4\r\n\r\nwhol") as url,
        invocation.streamed(url, b"[]", content_type="application/json") as answer,
    ):
        assert answer.content_type == "text/plain"
        assert b"".join(answer.pieces) == b"whol"


@pytest.mark.parametrize(
    ("answer", "received", "cause"),
    [
        (HEAD + b"Content-Length: 9\r\n\r\nhalf", b"half", "4 bytes, .*: 5 bytes did not come"),
        (CHUNKED + b"4\r\nhalf\r\n", b"half", "4 bytes, .*: it ended early"),
        (CHUNKED + b"9\r\nhalf", b"half", "4 bytes, .*: it ended early"),
        (CHUNKED + b"4\r\nhalf\r\nnonsense\r\n", b"half", "4 bytes, .*: it ended early"),
        (CHUNKED, b"", "0 bytes, .*: it ended early"),
    ],
)
def test_what_did_not_come_to_its_end_is_not_taken_for_an_answer(
    answer: bytes, received: bytes, cause: str
) -> None:
    found: list[bytes] = []
    with (
        answering(answer) as url,
        invocation.streamed(url, b"[]", content_type="application/json") as stream,
        pytest.raises(errors.HostingError, match=f"the stream broke after {cause}; the"),
    ):
        found.extend(stream.pieces)
    assert b"".join(found) == received


def test_silence_ends_a_stream() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        accepted: list[socket.socket] = []

        def serve() -> None:
            connection, _ = server.accept()
            accepted.append(connection)
            connection.sendall(CHUNKED + b"4\r\nhalf\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            pytest.raises(errors.HostingError, match="nothing came for too long"),
            invocation.streamed(
                url, b"[]", content_type="application/json", timeout_s=0.5
            ) as stream,
        ):
            list(stream.pieces)
        thread.join(10)
        accepted[0].close()


def test_nothing_that_listens_and_no_url_are_told_as_without_stream(
    free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["invoke", f"http://127.0.0.1:{free_port}", "x", "--stream"]) == 1
    assert "start one with `byoi serve" in capsys.readouterr().err
    assert cli.main(["invoke", "localhost:80", "x", "--stream"]) == 1
    assert "expected a URL such as" in capsys.readouterr().err


def test_a_terminal_is_shown_characters_and_obeys_none() -> None:
    """Also where a piece ends in the middle of a character."""
    pieces = [CHUNKED, b"2\r\nA\xc3\r\n", b"6\r\n\xa9\x1b[31m\r\n", b"1\r\n\xe2\r\n", b"0\r\n\r\n"]
    ours, terminal = pty.openpty()
    with answering(*pieces) as url:
        command = [BYOI, "invoke", url, "[]", "--stream"]
        done = subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE, check=False)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    shown = os.read(ours, 1000)
    os.close(ours)
    assert shown.decode() == "A\u00e9\\x1b[31m\ufffd\r\n"


def test_the_sample_request_of_the_folder_is_sent_where_none_is_given(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "sample_request.json").write_text('["from the sample"]')
    done = subprocess.run([BYOI, "invoke", url], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"from the sample\n"), done.stderr


def test_a_folder_without_a_sample_request_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["invoke", "http://localhost:1"]) == 1
    assert "nothing to send: there is no sample_request.* in this folder" in capsys.readouterr().err
