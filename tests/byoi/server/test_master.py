"""gunicorn's master as a fork of the supervisor: what it shares, and what it does not wait for."""

import errno
import gc
import inspect
import os
import sys
from pathlib import Path

import pytest
from contract_cases import TEXT
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from processes import FUNCTIONS, free_port, processes, run_to_its_end, the_line

from byoi import errors
from byoi.server import master
from byoi.server.lives import Lives
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_gunicorn_still_starts_its_workers_in_the_method_that_is_replaced():
    source = inspect.getsource(Arbiter.spawn_workers)
    assert "self.spawn_worker()" in source
    assert "random" in source  # the pause; without it there is nothing to replace
    assert "self.spawn_workers()" in inspect.getsource(Arbiter.manage_workers)


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("manage_workers", "self.spawn_workers()"),
        ("murder_workers", "self.kill_worker(pid, signal.SIGABRT)"),
        ("reap_workers", "self.cfg.child_exit(self, worker)"),
        ("handle_chld", "self.reap_workers()"),
        ("stop", "self.reap_workers()"),
        ("run", "self.murder_workers()"),
        ("run", "except HaltServer"),
        ("halt", "self.stop()"),
        ("spawn_worker", "return pid"),
    ],
)
def test_gunicorn_still_has_the_parts_that_the_master_replaces_or_is_called_by(method, part):
    assert part in inspect.getsource(getattr(Arbiter, method))


class Counted(master.Master):
    """A master whose workers are counted instead of forked; the third cannot be."""

    def __init__(self, lives):
        self._lives = lives
        self._num_workers = 3
        self.WORKERS = {1: None}
        self.pid = os.getpid()
        self.started = []

    def spawn_worker(self):
        self.started.append(self)


def lives_in(folder, **options):
    readiness = Readiness(folder)
    readiness.prepare()
    return Lives(Settings(), readiness, silent_s=65, **options), readiness


def test_workers_are_started_without_a_pause_between_them(tmp_path):
    counted = Counted(lives_in(tmp_path)[0])
    counted.spawn_workers()
    assert len(counted.started) == 2


def test_after_an_end_before_the_load_the_next_worker_waits(tmp_path, capsys):
    lives, readiness = lives_in(tmp_path)
    readiness.loaded_file.touch()
    counted = Counted(lives)
    lives.begin(7)
    assert lives.end(7, 3)
    counted.spawn_workers()
    assert counted.started == []
    assert "the model could not be loaded; another one starts in 0.5 s" in capsys.readouterr().err


class Forkless(master.Master):
    """A master whose machine has no process ids left."""

    def __init__(self, lives):
        self._lives = lives
        self.pid = os.getpid()
        self.worker_age = 0
        self.LISTENERS, self.app, self.timeout, self.cfg, self.log = [], None, 65, None, None

    def worker_class(self, *_):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


def test_a_worker_that_cannot_be_forked_is_tried_again_later(tmp_path, capsys):
    lives, readiness = lives_in(tmp_path)
    readiness.loaded_file.touch()
    Forkless(lives).spawn_worker()
    message = the_line(capsys.readouterr().err)["message"]
    assert message.startswith("a worker cannot be started: [Errno 11] Resource temporarily")
    assert "next try in 0.5 s" in message
    assert not lives.may_begin()
    assert readiness.failure() is None


def test_before_the_first_load_a_worker_that_cannot_be_forked_is_the_reason(tmp_path):
    lives, readiness = lives_in(tmp_path)
    with pytest.raises(HaltServer):
        Forkless(lives).spawn_worker()
    assert "a worker cannot be started" in (readiness.failure() or "")


@pytest.mark.parametrize("name", ["no_such_module", "json.no_such_module"])
def test_a_module_that_cannot_be_imported_is_named(name):
    with pytest.raises(errors.ConfigurationError, match=f"BYOI_PRELOAD names {name}, which cannot"):
        master.import_modules(f"json,{name}")


def test_the_reason_is_left_for_the_supervisor_to_print(tmp_path):
    try:
        assert master.run(Path("gunicorn.conf.py"), tmp_path, "no_such_module") == 1
    finally:
        gc.enable()
    assert "no_such_module" in (Readiness(tmp_path).failure() or "")


def test_no_module_is_no_error():
    master.import_modules("")


@pytest.mark.needs("nginx")
def test_a_module_that_cannot_be_preloaded_ends_serve_with_one_line():
    done = run_to_its_end(BYOI_PRELOAD="no_such_module", SAGEMAKER_BIND_TO_PORT=free_port())
    assert done.returncode == 1
    assert "BYOI_PRELOAD names no_such_module" in the_line(done.stderr)["message"]


@pytest.mark.needs("nginx")
def test_what_is_preloaded_is_loaded_in_the_master_and_in_every_worker(
    start, children_of, command_of
):
    stack = start(
        FUNCTIONS.replace("return data", "import numpy; return str(numpy.arange(3).sum())")
        + "def model_fn(model_dir): pass\n",
        BYOI_PRELOAD="numpy",
    )
    _, gunicorn, workers = processes(stack, children_of, command_of)
    for pid in (gunicorn, *workers):
        assert "_multiarray_umath" in Path(f"/proc/{pid}/maps").read_text()
    assert "_multiarray_umath" not in Path(f"/proc/{stack.pid}/maps").read_text()
    assert stack.target.send("POST", "/invocations", b"x", TEXT).body == b"3"


@pytest.mark.needs("nginx")
def test_the_master_has_a_name_a_group_and_no_terminal(start, children_of, command_of):
    stack = start()
    _, gunicorn, workers = processes(stack, children_of, command_of)
    for pid in (gunicorn, *workers):
        assert Path(f"/proc/{pid}/comm").read_text() == "gunicorn\n"
        assert os.getpgid(pid) == gunicorn
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")


@pytest.mark.needs("nginx")
def test_what_a_module_prints_waits_in_no_buffer(start):
    source = FUNCTIONS.replace("return data", "print('half a line', end=''); return data")
    stack = start(source + "def model_fn(model_dir): pass\n")
    stack.target.send("POST", "/invocations", b"x", TEXT)
    assert "half a line" in stack.log


def test_a_module_that_nobody_asked_to_preload_may_be_missing(capsys):
    master.import_modules("json,absent_library", is_required=False)
    assert "absent_library cannot be imported before the workers" in capsys.readouterr().err
