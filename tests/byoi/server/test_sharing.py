"""What workers share, between real processes: connections, who is idle, and each one's place."""

import multiprocessing
import os
import signal
import socket
import time
from contextlib import ExitStack

import pytest
from contract_cases import wait_until

from byoi.server.sharing import MOVABLE_BYTES, Sharing

# As gunicorn's workers are made of their master.
_FORK = multiprocessing.get_context("fork")


@pytest.fixture
def share():
    with ExitStack() as ends:

        def share(workers=2, **options):
            sharing = Sharing(workers, **options)
            for box in sharing._boxes:
                for side in box:
                    ends.callback(side.close)
            return sharing

        yield share


@pytest.fixture
def worker():
    """Run a function in a process of its own; it is killed afterwards."""
    with ExitStack() as processes:

        def worker(function, *arguments):
            process = _FORK.Process(target=function, args=arguments, daemon=True)
            process.start()
            processes.callback(process.close)
            processes.callback(process.join)
            processes.callback(process.kill)
            return process

        yield worker


def take(sharing):
    while (given := sharing.take()) is None:
        time.sleep(0.01)
    return given


def answer_one(sharing):
    """Take a connection, and answer with what came before, what comes now and the process id."""
    connection, received = take(sharing)
    with connection:
        connection.sendall(b"%d %b %b" % (os.getpid(), received, connection.recv(100)))


@pytest.mark.parametrize("received", [b"", b"half of it", b"\0\0"])
def test_a_connection_is_taken_by_another_process_with_what_came_of_it(share, worker, received):
    sharing = share()
    process = worker(answer_one, sharing)
    ours, client = socket.socketpair()
    with client:
        assert sharing.give(ours, received)
        assert ours.fileno() == -1, "it is closed here"
        client.sendall(b"the rest")
        client.settimeout(10)
        answer = b""
        while piece := client.recv(100):
            answer += piece
    assert answer == b"%d %b the rest" % (process.pid, received)
    assert sharing.take() is None


def test_a_connection_over_tcp_is_given_too(share, worker):
    sharing = share()
    process = worker(answer_one, sharing)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=10)
        accepted, _ = listener.accept()
    with client:
        assert sharing.give(accepted, b"x")
        client.sendall(b"y")
        assert client.recv(100) == b"%d x y" % process.pid


def test_each_is_taken_once_and_in_their_order(share):
    sharing = share()
    clients = []
    for number in range(3):
        ours, client = socket.socketpair()
        clients.append(client)
        assert sharing.give(ours, b"%d" % number)
    for number, client in enumerate(clients):
        taken, received = sharing.take()
        with taken, client:
            taken.sendall(b"for %d" % number)
            assert (received, client.recv(10)) == (b"%d" % number, b"for %d" % number)
    assert sharing.take() is None


def test_as_much_as_may_move_moves(share):
    sharing = share()
    ours, client = socket.socketpair()
    received = os.urandom(MOVABLE_BYTES)
    with client:
        assert sharing.give(ours, received)
        taken, came = sharing.take()
        with taken:
            assert came == received


def test_it_is_readable_while_one_waits_to_be_taken(share):
    import select

    sharing = share()
    assert select.select([sharing], [], [], 0)[0] == []
    ours, client = socket.socketpair()
    with client:
        sharing.give(ours, b"")
        assert select.select([sharing], [], [], 0)[0] == [sharing]
        sharing.take()[0].close()
        assert select.select([sharing], [], [], 0)[0] == []


@pytest.mark.parametrize("received", [b"", b"a" * MOVABLE_BYTES])
def test_where_too_many_wait_a_connection_stays_and_works(share, received):
    sharing = share()
    with ExitStack() as clients:
        for _ in range(10_000):
            ours, client = socket.socketpair()
            clients.enter_context(client)
            if not sharing.give(ours, received):
                break
        else:
            pytest.fail("they had no end")
        with ours:
            ours.sendall(b"still here")
            assert client.recv(100) == b"still here"
            sharing.take()[0].close()
            assert sharing.give(ours, received), "there is room again"
        while taken := sharing.take():
            taken[0].close()


def wait(sharing, state_dir):
    sharing.join(state_dir)
    sharing.begin_waiting()
    signal.pause()


def wait_briefly(sharing, state_dir):
    sharing.join(state_dir)
    sharing.begin_waiting()
    sharing.end_waiting()
    signal.pause()


def places(sharing):
    return [number for number, since_s in enumerate(sharing._since_s) if since_s]


def test_another_is_idle_once_it_has_waited_for_a_while_and_oneself_does_not_count(
    share, worker, tmp_path
):
    sharing = share(3)
    sharing.join(tmp_path)
    sharing.begin_waiting()
    time.sleep(0.01)
    assert not sharing.is_another_idle()
    worker(wait, sharing, tmp_path)
    wait_until(sharing.is_another_idle, 10)
    sharing.end_waiting()
    assert sharing.is_another_idle()
    assert places(sharing) == [1]


def test_one_that_has_just_begun_to_wait_is_not_idle_yet(share):
    sharing = share(2)
    sharing._since_s[1] = time.monotonic() + 1000
    assert not sharing.is_another_idle()
    sharing._since_s[1] = time.monotonic() - 1
    assert sharing.is_another_idle()


def test_one_that_was_claimed_is_not_idle_until_it_waits_again(share, tmp_path):
    sharing = share(3)
    sharing.join(tmp_path)
    sharing._since_s[1] = sharing._since_s[2] = time.monotonic()
    assert sharing.claim_idle() == 1
    assert places(sharing) == [2]
    assert sharing.claim_idle() == 2
    assert places(sharing) == []
    assert sharing.claim_idle() is None
    sharing._since_s[1] = time.monotonic()
    assert sharing.claim_idle() == 1


def test_one_that_was_killed_while_it_waited_is_not_claimed(share, tmp_path):
    sharing = share(2)
    sharing.join(tmp_path)
    sharing._since_s[1] = time.monotonic() - 2
    assert sharing.claim_idle() is None


def take_for_itself(sharing, state_dir):
    sharing.join(state_dir)
    sharing.begin_waiting()
    answer_one(sharing)


def test_an_addressed_connection_is_taken_by_that_worker_alone(share, worker, tmp_path):
    sharing = share(3, is_addressed=True)
    sharing.join(tmp_path)
    pids = {}
    for place in (1, 2):
        pids[place] = worker(take_for_itself, sharing, tmp_path).pid
        wait_until(lambda place=place: place in places(sharing), 10)
    for expected in (1, 2):
        ours, client = socket.socketpair()
        with client:
            place = sharing.claim_idle()
            assert place == expected
            assert sharing.give(ours, b"x", place)
            client.sendall(b"y")
            assert client.recv(100) == b"%d x y" % pids[place]
    assert sharing.take() is None


def test_one_that_waits_no_more_is_not_idle(share, worker, tmp_path):
    sharing = share(2)
    sharing.join(tmp_path)
    worker(wait_briefly, sharing, tmp_path)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, 10)
    time.sleep(0.05)
    assert not sharing.is_another_idle()


def test_each_process_has_a_place_of_its_own_and_a_dead_ones_is_taken_again(
    share, worker, tmp_path
):
    sharing = share(3)
    first, *_ = [worker(wait, sharing, tmp_path) for _ in range(3)]
    wait_until(lambda: places(sharing) == [0, 1, 2], 10)
    first.kill()
    first.join()
    before = list(sharing._since_s)
    worker(wait, sharing, tmp_path)
    wait_until(lambda: list(sharing._since_s) != before, 10)
    changed = [number for number in range(3) if sharing._since_s[number] != before[number]]
    assert len(changed) == 1
    # The next one finds none: the three are taken.
    fourth = worker(wait, sharing, tmp_path)
    time.sleep(0.1)
    assert fourth.is_alive()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["place-0", "place-1", "place-2"]


def test_what_a_dead_process_said_counts_no_more_once_its_place_is_taken(share, worker, tmp_path):
    sharing = share(2)
    dead = worker(wait, sharing, tmp_path)
    wait_until(lambda: places(sharing) == [0], 10)
    dead.kill()
    dead.join()
    sharing.join(tmp_path)
    assert places(sharing) == []
