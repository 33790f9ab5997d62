"""The byoi command, run as a user runs it."""

import argparse
import importlib.metadata
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reviews_file import write_reviews

from byoi import cli, errors, model_data
from byoi.local import health, processes

BYOI = Path(sys.executable).with_name("byoi")
TOYS = Path(__file__).parents[1] / "toys"


def byoi(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BYOI, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    # The tool's in the order of the journey, then those of this model's library.
    assert re.findall(r"^    (\w+)(?:  |$)", shown, re.MULTILINE) == [
        *("init", "pack", "image", "serve", "invoke", "check"),
        *("deploy", "endpoints", "delete", "emulator"),
        *("train", "predict", "demo"),
    ]


@pytest.mark.parametrize("verb", ["serve", "invoke", "deploy", "emulator", "train", "predict"])
def test_help_of_a_verb_names_its_options(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: byoi {verb}" in capsys.readouterr().out


def parser_with(*plugins: EntryPoint) -> tuple[argparse.ArgumentParser, set[str]]:
    """A parser with one verb of its own, and the verbs that it has afterwards."""
    parser = argparse.ArgumentParser(prog="byoi")
    verbs = parser.add_subparsers(required=True)
    verbs.add_parser("serve").set_defaults(run="the tool's")
    cli.add_plugged_in_verbs(verbs, plugins)
    return parser, set(verbs.choices)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """Makes a library that adds verbs, from the body of its function."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, body: str, at_import: str = "") -> EntryPoint:
        text = f"{at_import}\ndef add_verbs(verbs):\n    {body}\n"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return EntryPoint(name, f"{name}:add_verbs", cli.VERBS_GROUP)

    return make


def test_verbs_are_found_where_the_specification_of_entry_points_has_them() -> None:
    installed = importlib.metadata.entry_points(group=cli.VERBS_GROUP)
    values = [plugin.value for plugin in cli.find_plugins(sys.path)]
    assert sorted(values) == sorted(one.value for one in installed)
    assert "byoi_lib.commands:add_verbs" in values


def test_the_verbs_of_the_first_package_of_a_name_are_found(tmp_path: Path) -> None:
    content = {
        "a/one-1.dist-info": "[console_scripts]\nx = no:no\n[byoi.verbs]\nv = one:first\n",
        "a/two-1.egg-info": "[ byoi.verbs ]\n# v = no:no\nv=two:f [extra]\n\n[z]\ny = n:n",
        "a/three-1.dist-info": "[other]\nv = no:no\n",
        "b/One-2.dist-info": "[byoi.verbs]\nv = one:second\n",
        "b/four": "[byoi.verbs]\nv = no:no\n",
    }
    for folder, text in content.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "entry_points.txt").write_text(text, encoding="utf-8")
    (tmp_path / "a" / "without-1.dist-info").mkdir()
    path = [str(tmp_path / name) for name in ("a", "missing", "b")]
    assert [one.value for one in cli.find_plugins(path)] == ["one:first", "two:f"]
    (plugin,) = cli.find_plugins([path[2]])
    assert plugin.value == "one:second"


def test_a_library_adds_verbs(plugin: Callable[..., EntryPoint]) -> None:
    parser, verbs = parser_with(
        plugin("library_of_lines", "verbs.add_parser('line').set_defaults(run='a line')")
    )
    assert verbs == {"serve", "line"}
    assert parser.parse_args(["line"]).run == "a line"


@pytest.mark.parametrize(
    ("body", "at_import", "cause"),
    [
        (
            "pass",
            "import no_such_package",
            "ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("pass", "this is no Python", "SyntaxError: invalid syntax"),
        ("pass", "raise SystemExit('not now')", "SystemExit: not now"),
        ("1 / 0", "", "ZeroDivisionError: division by zero"),
        ("raise ValueError('two\\nlines')", "", "ValueError: two lines"),
    ],
)
def test_a_broken_library_costs_a_line_and_no_verb_of_others(
    plugin: Callable[..., EntryPoint],
    capsys: pytest.CaptureFixture[str],
    body: str,
    at_import: str,
    cause: str,
) -> None:
    broken = plugin(cause.partition(":")[0].lower(), body, at_import)
    good = plugin("library_of_circles", "verbs.add_parser('circle')")
    _, verbs = parser_with(broken, good)
    assert verbs == {"serve", "circle"}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"byoi: the verbs of {broken.value} are not available: {cause}")


def test_a_library_may_not_replace_a_verb_of_the_tool(
    plugin: Callable[..., EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    parser, _ = parser_with(
        plugin("usurper", "verbs.add_parser('serve').set_defaults(run='the library\\'s')")
    )
    assert parser.parse_args(["serve"]).run == "the tool's"
    (line,) = capsys.readouterr().err.splitlines()
    assert "usurper:add_verbs" in line
    assert "conflicting subparser: serve" in line


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
            while not health.is_healthy(f"http://127.0.0.1:{free_port}"):
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
            while not health.is_healthy(f"http://127.0.0.1:{free_port}"):
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            done = byoi("invoke", f"http://127.0.0.1:{free_port}", "not a number")
            assert done.returncode == 1
            assert "status 500" in done.stderr
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def echo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose answer says what it was sent."""
    environ = {"BYOI_INFERENCE_MODULE": str(TOYS / "echo.py")}
    with processes.ProcessStack(tmp_path_factory.mktemp("model"), environ=environ) as stack:
        yield stack.url


def invoke(*arguments: object, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [BYOI, "invoke", *map(str, arguments)]
    return subprocess.run(command, input=body, capture_output=True, check=False)


def echoed(*arguments: object, body: bytes = b"") -> dict[str, Any]:
    """What the server was sent."""
    done = invoke(*arguments, body=body)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("body.json", "application/json"),
        ("body.jsonl", "application/jsonlines"),
        ("body.csv", "text/csv"),
        ("body.txt", "text/plain"),
        ("BODY.NPY", "application/x-npy"),
        ("body.parquet", "application/octet-stream"),
        ("body", "application/octet-stream"),
    ],
)
def test_invoke_tells_the_content_type_by_the_ending_of_a_file(
    echo_url: str, tmp_path: Path, name: str, content_type: str
) -> None:
    (tmp_path / name).write_bytes(b"[1]")
    sent = echoed(echo_url, "--file", tmp_path / name)
    assert (sent["content_type"], sent["text"]) == (content_type, "[1]")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"instances": ["good"]}', "application/json"),
        (b"good", "text/plain"),
        (b"", "text/plain"),
        (b"\xff\xfe", "application/octet-stream"),
    ],
)
def test_invoke_tells_the_content_type_of_standard_input_by_its_content(
    echo_url: str, body: bytes, content_type: str
) -> None:
    sent = echoed(echo_url, "--file", "-", body=body)
    assert (sent["content_type"], sent["bytes"]) == (content_type, len(body))


@pytest.mark.parametrize("given", [("--data", "[1, 2]"), ("[1, 2]",)])
def test_invoke_takes_a_text(echo_url: str, given: tuple[str, ...]) -> None:
    sent = echoed(echo_url, *given)
    assert (sent["content_type"], sent["text"]) == ("application/json", "[1, 2]")


def test_invoke_passes_content_type_and_accept_on(echo_url: str) -> None:
    types = ("--content-type", "text/csv; charset=utf-8", "--accept", "text/csv")
    sent = echoed(echo_url, "--data", "1,2", *types)
    assert (sent["content_type"], sent["accept"]) == ("text/csv; charset=utf-8", "text/csv")


def test_invoke_sends_a_body_of_megabytes(echo_url: str, tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(b"0" * 5_000_000)
    assert echoed(echo_url, "--file", tmp_path / "large.json")["bytes"] == 5_000_000
    (tmp_path / "large.json").write_bytes(b"0" * 30_000_000)
    done = invoke(echo_url, "--file", tmp_path / "large.json")
    assert done.returncode == 1
    assert b"413" in done.stderr


def test_invoke_prints_the_error_of_the_container(echo_url: str) -> None:
    done = invoke(echo_url, "--data", "good", "--accept", "application/unknown")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"byoi: error: the endpoint answered with status 406: ")


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_invoke_names_a_file_that_cannot_be_read(echo_url: str, tmp_path: Path, name: str) -> None:
    done = invoke(echo_url, "--file", tmp_path / name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"byoi: error: --file {tmp_path / name}: ".encode())


@pytest.mark.parametrize(
    "arguments", [("good", "--data", "good"), ("--data", "good", "--file", "body.json")]
)
def test_invoke_takes_one_body(arguments: tuple[str, ...]) -> None:
    done = invoke("http://localhost:8080", *arguments)
    assert done.returncode == 2


def test_invoke_prints_bytes_unchanged_and_ends_a_text_with_one_line_break(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "ids.npy", np.array([[1, 5, 6], [1, 7, 0]], np.int32))
    with processes.ProcessStack(tiny_model_dir) as stack:

        def answer(accept: str) -> bytes:
            done = invoke(stack.url, "--file", tmp_path / "ids.npy", "--accept", accept)
            assert done.returncode == 0, done.stderr
            return done.stdout

        array = np.load(io.BytesIO(answer("application/x-npy")))
        assert array.shape == (2, 2)
        assert answer("application/x-npy").endswith(array.tobytes())
        for accept in ("application/json", "application/jsonlines", "text/csv"):
            assert re.search(rb"[^\n]\n$", answer(accept)), accept
        assert len(json.loads(answer("application/json"))) == 2


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


@pytest.mark.parametrize("kind", [RecursionError, MemoryError, ZeroDivisionError, KeyError])
def test_an_error_that_nobody_foresaw_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind("two\nlines \x1b[2J")

    monkeypatch.setattr(model_data, "pack", fail)
    monkeypatch.delenv("BYOI_TRACEBACK", raising=False)
    assert cli.main(["pack", "a", "b.tar.gz"]) == 70
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"byoi: unexpected error: {kind.__name__}: ")
    assert "\x1b" not in said
    assert "set BYOI_TRACEBACK=1 to see the traceback" in said
    monkeypatch.setenv("BYOI_TRACEBACK", "1")
    with pytest.raises(kind):
        cli.main(["pack", "a", "b.tar.gz"])


def test_a_reader_that_has_ended_is_no_error(tiny_model_dir: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "byoi.cli",
        "pack",
        str(tiny_model_dir),
        str(tmp_path / "m.tar.gz"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.wait()


def test_further_lines_of_a_message_cannot_pass_for_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.HostingError("cause\nbyoi: error: forged")

    monkeypatch.setattr(model_data, "pack", fail)
    assert cli.main(["pack", "a", "b.tar.gz"]) == 1
    assert capsys.readouterr().err == "byoi: error: cause\n  byoi: error: forged\n"
