"""Without nginx: clients that send or read slowly, or stop, hold up nobody else."""

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract_cases import HEAD, TEXT

CLIENTS = 8


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /invo",
        HEAD + b"X-Half: a hea",
        HEAD + b"Content-Length: 1000\r\n\r\nhalf",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        HEAD + b"Content-Length: 99999999999\r\n\r\ntoo large, and refused at once",
        b"NONSENSE\r\n\r\n",
    ],
    ids=["nothing", "first line", "headers", "body", "chunk", "refused body", "nonsense"],
)
def test_eight_slow_clients_stop_neither_ping_nor_invocations(start, begun):
    target = start(BYOI_NGINX="off", BYOI_THREADS="1").target
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(target.connect()) for _ in range(CLIENTS)]
        for client in slow:
            client.sendall(begun)
        end_s = time.monotonic() + 3
        while time.monotonic() < end_s:
            for client in slow:
                with contextlib.suppress(OSError):  # it was refused
                    client.sendall(b"a" if begun else b"")
            for method, path, body in (("GET", "/ping", b""), ("POST", "/invocations", b"x")):
                began_s = time.monotonic()
                assert target.send(method, path, body, TEXT).status == 200
                assert time.monotonic() - began_s < 1
            time.sleep(0.1)


LARGE = """
import os

def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept):
    return "a" * int(body) + str(os.getpid()), "text/plain"
"""
SIZE = 20_000_000


@contextlib.contextmanager
def reader(target):
    """Ask for a large answer, and read none of it yet."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect((target.host, target.port))
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n%d" % (len(str(SIZE)), SIZE))
        yield client


def test_eight_slow_readers_stop_nobody_and_get_all_of_their_answers(start):
    stack = start(LARGE, BYOI_NGINX="off", BYOI_INVOCATION_TIMEOUT_S="2")
    target = stack.target
    with contextlib.ExitStack() as clients:
        slow = [clients.enter_context(reader(target)) for _ in range(CLIENTS)]
        end_s = time.monotonic() + 5  # longer than the deadline: it was met
        received = 0
        while time.monotonic() < end_s:
            first, *_ = [client.recv(100) for client in slow]
            received += len(first)
            assert target.send("GET", "/ping").status == 200
            began_s = time.monotonic()
            assert target.send("POST", "/invocations", b"1", TEXT).status == 200
            assert time.monotonic() - began_s < 1
            time.sleep(0.1)
        while received < SIZE:
            piece = slow[0].recv(1_000_000)
            assert piece
            received += len(piece)
    assert "is replaced" not in stack.log
    assert stack.stop() == 0


def test_one_that_reads_nothing_is_left_after_a_while(start):
    stack = start(LARGE, BYOI_NGINX="off", BYOI_BODY_TIMEOUT_S="1")
    with reader(stack.target) as client:
        time.sleep(3)
        received = 0
        with contextlib.suppress(OSError):
            while piece := client.recv(1_000_000):
                received += len(piece)
        assert received < SIZE
    assert "an answer was cut after " in stack.log
    assert stack.target.send("POST", "/invocations", b"1", TEXT).status == 200


def test_a_stop_waits_for_a_slow_reader(start):
    stack = start(LARGE, BYOI_NGINX="off")
    with reader(stack.target) as client, ThreadPoolExecutor(1) as pool:
        received = len(client.recv(100))
        stopped = pool.submit(stack.stop)
        time.sleep(1)
        while piece := client.recv(1_000_000):
            received += len(piece)
        assert received > SIZE
        assert stopped.result() == 0
