"""The byoi command, run as a user runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from byoi import cli, model_data
from byoi.local import processes

BYOI = Path(sys.executable).with_name("byoi")


def byoi(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BYOI, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


def write_reviews(path: Path) -> Path:
    """A file laid out like Keras's imdb.npz; word 1 is in positive reviews, word 2 in others."""
    random = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 2
        lists = np.empty(count, dtype=object)
        for row, label in enumerate(labels):
            words = random.integers(3, 30, size=8).tolist()
            lists[row] = [*words, 1 if label else 2]
        return lists, labels

    x_train, y_train = part(256)
    x_test, y_test = part(64)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    words = ", ".join(f'"word{rank}": {rank}' for rank in range(1, 31))
    path.with_name("imdb_word_index.json").write_text(f"{{{words}}}", encoding="utf-8")
    return path


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for verb in (
        *("train", "pack", "serve", "predict", "invoke", "deploy", "endpoints", "delete"),
        *("emulator", "demo"),
    ):
        assert re.search(rf"^ +{verb}( |$)", shown, re.MULTILINE), verb


def test_help_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from byoi import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "print({'numpy', 'tensorflow', 'sagemaker', 'flask'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_a_wrong_command_line_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["train"])
    assert ended.value.code == 2
    assert "--data" in capsys.readouterr().err


def test_train_writes_a_model_directory_that_predict_reads(tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.npz")
    done = byoi("train", "--data", tmp_path / "reviews.npz", "--output", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert "accuracy, held-out part" in done.stdout
    assert f"model directory: {tmp_path / 'model'}" in done.stdout
    plots = re.findall(r"plot: (.*)", done.stdout)
    assert len(plots) == 3
    assert all(Path(plot).read_bytes().startswith(b"\x89PNG") for plot in plots)
    assert "epoch" in done.stderr
    assert "I0000" not in done.stderr
    assert "Warning" not in done.stderr
    shown = byoi("predict", "--model-dir", tmp_path / "model")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("true label") == 3


def test_a_deliberate_error_is_one_line_and_1(tmp_path: Path) -> None:
    done = byoi("train", "--data", tmp_path / "absent.npz", "--output", tmp_path / "model")
    assert done.returncode == 1
    assert done.stderr.startswith("byoi: error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "absent.npz" in done.stderr


def test_train_asks_for_the_word_index(tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.npz")
    (tmp_path / "imdb_word_index.json").rename(tmp_path / "words.json")
    absent = byoi("train", "--data", tmp_path / "reviews.npz", "--output", tmp_path / "model")
    assert absent.returncode == 1
    assert "--word-index" in absent.stderr


def test_pack_prints_digest_and_size(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    done = byoi("pack", tiny_model_dir, archive)
    assert done.returncode == 0, done.stderr
    packed = model_data.pack(tiny_model_dir, archive)
    assert done.stdout == f"{archive}\nsha256 {packed.sha256}\n{packed.size_bytes:,} bytes\n"


def test_predict_prints_label_and_both_probabilities(
    tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["predict", "--model-dir", str(tiny_model_dir), "good good film"]) == 0
    shown = capsys.readouterr().out
    assert re.fullmatch(
        r"good good film\n  positive\n  p_negative 0\.\d{4}  p_positive 0\.\d{4}\n", shown
    )


def test_predict_shows_held_out_reviews_with_their_labels(
    tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["predict", "--model-dir", str(tiny_model_dir)]) == 0
    assert capsys.readouterr().out.count("(true label: ") == 3


def test_predict_says_when_it_knows_few_words(
    tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["predict", "--model-dir", str(tiny_model_dir), "good qwerty asdf", "good film qwe"])
    shown = capsys.readouterr().out
    assert shown.count("the vocabulary does not know") == 1
    assert "67%" in shown


def test_predict_refuses_a_bad_model_directory(tiny_model_dir: Path) -> None:
    (tiny_model_dir / "vocabulary.json").write_text("{}", encoding="utf-8")
    done = byoi("predict", "--model-dir", tiny_model_dir, "good")
    assert done.returncode == 1
    assert "vocabulary.json" in done.stderr


def test_serve_runs_in_the_foreground_until_sigterm(tiny_model_dir: Path, free_port: int) -> None:
    command = [BYOI, "serve", "--model-dir", tiny_model_dir, "--port", str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            deadline = time.monotonic() + 30
            while processes.ping("127.0.0.1", free_port) != 200:
                assert server.poll() is None, server.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            url = f"http://127.0.0.1:{free_port}"
            done = byoi("invoke", url, "--data", '["good good film", "bad"]')
            assert done.returncode == 0, done.stderr
            (film, bad) = json.loads(done.stdout)
            assert film[1] > 0.5 > bad[1]
            shown = byoi("predict", "--endpoint", url, "good good film", "bad")
            assert shown.returncode == 0, shown.stderr
            assert re.search(r"good good film\n  positive\n  p_negative 0\.\d{4}", shown.stdout)
            assert re.search(r"bad\n  negative", shown.stdout)
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)
        assert server.returncode == 0


def test_serve_takes_a_module_of_the_users(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "mine.py").write_text(
        "def model_fn(model_dir): return 2\n"
        "def input_fn(input_data, content_type): return int(input_data)\n"
        "def predict_fn(data, model): return data * model\n"
        "def output_fn(prediction, accept): return str(prediction), 'text/plain'\n",
        encoding="utf-8",
    )
    command = [BYOI, "serve", "--model-dir", tmp_path, "--port", str(free_port)]
    with subprocess.Popen(
        [*command, "--module", tmp_path / "mine.py"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    ) as server:
        try:
            deadline = time.monotonic() + 30
            while processes.ping("127.0.0.1", free_port) != 200:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            done = byoi("invoke", f"http://127.0.0.1:{free_port}", "not a number")
            assert done.returncode == 1
            assert "status 500" in done.stderr
        finally:
            server.terminate()
            server.wait(30)


@pytest.mark.parametrize("url", ["localhost:8080", "https://localhost", "http://", "ftp://x"])
def test_invoke_wants_the_address_of_a_container(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["invoke", url, "good"]) == 1
    assert "http://localhost:8080" in capsys.readouterr().err


def test_invoke_says_when_nothing_answers(
    free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["invoke", f"http://127.0.0.1:{free_port}", "good"]) == 1
    assert "byoi serve" in capsys.readouterr().err


def test_ctrl_c_is_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("byoi.model_data.pack", interrupted)
    assert cli.main(["pack", "model", "model.tar.gz"]) == 128 + signal.SIGINT
