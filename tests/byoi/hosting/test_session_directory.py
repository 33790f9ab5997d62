"""Whose directories are removed."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from byoi.hosting import staging


def test_directories_of_ended_processes_go_and_all_others_stay(tmp_path: Path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    gone = tmp_path / f"byoi-local-{host}-{ended.pid}-abc"
    (gone / "log").mkdir(parents=True)
    kept = [
        staging.make_session_directory(tmp_path),
        tmp_path / f"byoi-local-elsewhere-{ended.pid}-abc",
        tmp_path / f"byoi-other-{host}-{ended.pid}-abc",
        tmp_path / f"byoi-local-{host}-1-abc",
        tmp_path / f"byoi-local-{host}-none-abc",
        tmp_path / "byoi-local-abc",
    ]
    for directory in kept:
        directory.mkdir(exist_ok=True)
    staging.remove_orphaned_directories(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert str(os.getpid()) in kept[0].name
