"""gunicorn's settings: gunicorn knows each name, and the values are the contract's."""

import os
import runpy

import pytest
from gunicorn.config import Config

from byoi import contract
from byoi.server.gunicorn_log import JsonLogger
from byoi.server.master import CONFIGURATION_FILE
from byoi.server.readiness import Readiness
from byoi.server.worker import Worker

# What a configuration file may hold beside settings: what it imports.
IMPORTED = {"os", "Path", "Any", "byoi", "contract", "JsonLogger", "Readiness", "Settings",
            "Sharing", "Worker"}  # fmt: skip


@pytest.fixture
def configure(tmp_path, monkeypatch):
    made = []

    def configure(**environ):
        monkeypatch.setenv("BYOI_STATE_DIR", str(tmp_path))
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        names = runpy.run_path(str(CONFIGURATION_FILE))
        made.append(Worker.sharing)
        return {name: value for name, value in names.items() if not name.startswith("_")}

    # What it sets at the class of workers is as before afterwards.
    monkeypatch.setattr(Worker, "sharing", None, raising=False)
    yield configure
    for sharing in made:
        for box in sharing._boxes:
            for side in box:
                side.close()


def test_gunicorn_knows_every_name(configure):
    known = set(Config().settings)
    assert set(configure()) - known == IMPORTED


def test_gunicorn_takes_every_value(configure):
    config = Config()
    for name, value in configure().items():
        if name in config.settings:
            config.set(name, value)
    assert config.worker_class is Worker
    assert config.logger_class is JsonLogger


def test_nothing_is_loaded_before_the_fork_but_the_server(configure):
    assert configure()["preload_app"] is False


def test_no_socket_is_opened_in_a_home_directory(configure):
    assert configure()["control_socket_disable"] is True


def test_behind_nginx_it_listens_on_a_file_and_its_workers_share_connections(configure, tmp_path):
    conf = configure(SAGEMAKER_MODEL_SERVER_WORKERS="3")
    assert conf["bind"] == f"unix:{tmp_path}/gunicorn.sock"
    assert conf["workers"] == 3
    assert len(Worker.sharing._since_s) == 3
    assert conf["accesslog"] is None


def test_alone_it_listens_on_the_port_addresses_its_workers_and_writes_the_access_log(configure):
    conf = configure(
        BYOI_NGINX="off",
        SAGEMAKER_BIND_TO_PORT="9",
        BYOI_BIND_ADDRESS="127.0.0.1",
        SAGEMAKER_MODEL_SERVER_WORKERS="3",
    )
    assert conf["bind"] == "127.0.0.1:9"
    assert len(Worker.sharing._boxes) == len(Worker.sharing._since_s) == 3
    assert conf["accesslog"] == "-"


def test_its_timeouts_leave_the_deadline_and_the_time_to_stop_to_others(configure):
    conf = configure()
    assert conf["timeout"] > contract.INVOCATION_TIMEOUT_S
    assert conf["graceful_timeout"] <= contract.DRAIN_S


@pytest.mark.parametrize(("level", "loglevel"), [("INFO", "error"), ("DEBUG", "debug")])
def test_starting_and_stopping_is_no_news_unless_asked(configure, level, loglevel):
    assert configure(SAGEMAKER_CONTAINER_LOG_LEVEL=level)["loglevel"] == loglevel


def test_heartbeats_go_to_memory_where_there_is_one(configure, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert configure()["worker_tmp_dir"] == "/dev/shm"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert configure()["worker_tmp_dir"] == str(tmp_path)


def test_a_worker_that_ended_counts_no_more(configure, tmp_path):
    readiness = Readiness(tmp_path)
    readiness.prepare()
    readiness.beat(7)

    class Ended:
        pid = 7

    configure()["child_exit"](None, Ended)
    assert readiness.fresh_workers() == 0
