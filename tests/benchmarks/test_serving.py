import http.server
import json
import sys
import threading
import time
from pathlib import Path

import process_tree
import pytest
import serving
import serving_bodies
import serving_contenders
from serving_contenders import CLASSIFIER, CONTENDERS, OURS, ROWS

from byoi_lib import inference

VOCABULARY_SIZE = 353


@pytest.fixture(scope="module")
def kinds():
    return {kind.name: kind for kind in serving_bodies.kinds(VOCABULARY_SIZE)}


@pytest.fixture(scope="module")
def texts():
    return serving_bodies.made_up_texts()


def test_the_loads_are_those_of_the_result(kinds):
    assert {name: kind.connections for name, kind in kinds.items()} == {
        "200 ids": (1, 8, 32, 256),
        "review texts": (8, 32),
        "12 words": (8, 32),
        "4 numbers": (8, 32),
    }


def test_the_fixture_is_the_graph_of_that_commit_and_answers_each_body(kinds, texts):
    import onnx

    graph = onnx.load(serving.FIXTURE / "model.onnx", load_external_data=False).graph
    assert len(graph.node) == 379
    model = inference.model_fn(serving.FIXTURE)
    assert model.vocabulary.size == VOCABULARY_SIZE
    for kind in kinds.values():
        if kind.task == CLASSIFIER:
            data = inference.input_fn(kind.make(texts)[0], "application/json")
            probabilities = inference.predict_fn(data, model).probabilities
            assert probabilities.shape == (1, 2)


def test_both_graphs_give_the_same_answers_to_each_body(kinds, texts):
    models = [inference.model_fn(folder) for folder in (serving.FIXTURE, serving.GRAPH)]
    for kind in kinds.values():
        for body in kind.make(texts)[:20] if kind.task == CLASSIFIER else []:
            data = inference.input_fn(body, "application/json")
            one, other = (inference.predict_fn(data, model).probabilities for model in models)
            assert abs(one - other).max() <= serving.TOLERANCE


def test_the_servers_with_the_other_graph_have_names_of_their_own():
    names = {one.name for one in CONTENDERS}
    assert set(serving.BOTH_GRAPHS) < names
    assert not names & set(serving.BOTH_GRAPHS.values())


def test_made_up_reviews_are_as_long_as_those_of_imdb(texts):
    lengths = sorted(len(text.split()) for text in texts)
    quarter = len(lengths) // 4
    assert 110 < lengths[quarter] < 150
    assert 160 < lengths[2 * quarter] < 210
    assert 260 < lengths[3 * quarter] < 330


def test_a_short_text_has_twelve_words():
    found = serving_bodies.short(["one two", " ".join("abcdefghijklmnop")])
    assert found == ["a b c d e f g h i j k l"]


def test_a_body_of_ids_has_two_hundred_of_the_vocabulary():
    (ids,) = json.loads(serving_bodies.ids_body(5))["instances"]
    assert len(ids) == 200
    assert set(ids) == {1, 2, 3, 4}


def test_rows_are_four_numbers_each(kinds):
    bodies = [json.loads(body) for body in kinds["4 numbers"].make([])]
    assert len(bodies) == 50
    assert all(len(rows) == 1 and len(rows[0]) == 4 for rows in bodies)


@pytest.mark.parametrize("text", ['A film.\n\nAnother\u0085 "film".\n', None])
def test_texts_come_from_lines_or_json_lines(tmp_path, text):
    file = tmp_path / "texts"
    rows = [{"text": "A film.", "label": 1}, {"text": 'Another\u0085 "film".', "label": 0}]
    file.write_text(
        text or "\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8"
    )
    assert serving_bodies.read_texts(file) == ["A film.", 'Another\u0085 "film".']


def test_a_file_without_texts_is_refused(tmp_path):
    file = tmp_path / "texts"
    file.write_text("\n\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no text"):
        serving_bodies.read_texts(file)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"predictions": [[0.25, 0.75]]}, {"predictions": [[0.5, 0.75]]}, 0.25),
        ([1, 2.0], [1.0, 2], 0.0),
        ([], [], 0.0),
        (["a"], ["a"], 0.0),
        (["a"], ["b"], float("inf")),
        ([[1]], [1], float("inf")),
        ([1], [1, 2], float("inf")),
        ({"a": 1}, {"b": 1}, float("inf")),
        (None, 0, float("inf")),
    ],
)
def test_the_largest_difference_is_of_any_two_numbers(one, other, expected):
    assert serving_bodies.largest_difference(one, other) == expected


def test_each_server_has_a_lock_with_hashes_and_a_file_for_each_task():
    for one in CONTENDERS:
        lock = (serving_contenders.PEERS / f"{one.environment}.txt").read_text(encoding="utf-8")
        assert "--hash=sha256:" in lock
        assert "://" not in lock
        assert all((serving_contenders.PEERS / name).is_file() for _, name in one.files)
        assert one.file(ROWS)
        # The product needs no code for its own model.
        assert bool(one.file(CLASSIFIER)) == (one is not OURS)


def test_all_servers_get_the_same_threads_and_ours_what_the_image_sets():
    values = {"port": "1234", "workers": "1000", "task": ROWS}
    for one in CONTENDERS:
        variables = serving_contenders.environ(one, ROWS, Path("/programs"), values)
        assert variables["OMP_NUM_THREADS"] == "1"
        assert variables["PATH"].startswith("/programs:")
    ours = serving_contenders.environ(OURS, ROWS, Path("/programs"), values)
    assert ours["SAGEMAKER_BIND_TO_PORT"] == "1234"
    assert ours["BYOI_INFERENCE_MODULE"] == "rows.py"
    dockerfile = (serving.ROOT / "container" / "Dockerfile").read_text(encoding="utf-8")
    for name, value in serving_contenders._IMAGE_VARIABLES:
        assert f"{name}={value}" in dockerfile
    classifier = serving_contenders.environ(OURS, CLASSIFIER, Path("/programs"), values)
    assert "BYOI_INFERENCE_MODULE" not in classifier


def test_the_working_folder_holds_the_file_and_the_model_and_nothing_old(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.joblib").write_bytes(b"model")
    work = tmp_path / "work"
    work.mkdir()
    (work / "old").touch()
    serving_contenders.prepare(CONTENDERS[1], ROWS, work, tmp_path / "model")
    assert sorted(path.name for path in work.iterdir()) == ["model", "rows.py"]


@pytest.fixture
def servers():
    """Two servers, of which each answers what is set."""
    found = []
    threads = []
    for number in range(2):

        class Handler(http.server.BaseHTTPRequestHandler):
            answer = (200, b"[[0.25, 0.75]]")

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(self.answer[0])
                self.end_headers()
                self.wfile.write(self.answer[1])

            def log_message(self, *arguments):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        running = serving_contenders.Running(CONTENDERS[number], 0, server.server_port)
        threads.append(threading.Thread(target=server.serve_forever, args=(0.01,)))
        threads[-1].start()
        found.append((server, running))
    yield found
    for server, _ in found:
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, b"[[0.2500001, 0.75]]"), None),
        ((200, b"[[0.2501, 0.75]]"), "0.2501"),
        ((500, b"broken"), "500 b'broken'"),
    ],
)
def test_other_answers_stop_the_run(servers, kinds, answer, message):
    servers[1][0].RequestHandlerClass.answer = answer
    running = [one for _, one in servers]
    if message is None:
        found = serving.check_answers(running, kinds["200 ids"], [b"[]"])
        assert found == pytest.approx(1e-7)
    else:
        with pytest.raises(RuntimeError, match=message):
            serving.check_answers(running, kinds["200 ids"], [b"[]"])


SERVER = """
import http.server, os, signal, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"[{child.pid}]".encode())
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
if {is_deaf}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def run(tmp_path):
    """Run a contender that is a script."""
    programs = tmp_path / "environment" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)

    def start(script):
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "server.py").write_text(script, encoding="utf-8")
        command = ("python", "server.py", "{port}")
        one = serving_contenders.Contender("script", "environment", command, ())
        return serving_contenders.serving(
            *(one, ROWS, tmp_path / "work", b"[]"),
            port=serving.free_port(),
            workers=2,
            environments=tmp_path,
            stop_s=1.0,
        )

    return start


@pytest.mark.parametrize("is_deaf", [False, True])
def test_nothing_of_a_server_is_left(run, is_deaf):
    with run(SERVER.replace("{is_deaf}", str(is_deaf))) as running:
        (child,) = json.loads(running.ask(b"[]")[1])
        processes = {one.pid for one in process_tree.tree(running.pid)}
        assert processes == {running.pid, child}
    # A child of a server that stops by itself ends when its input does, soon after.
    deadline_s = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not is_alive(child)
    assert not is_alive(running.pid)


FORSAKEN = """
import signal, subprocess, sys
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"[{child.pid}]".encode())
child = subprocess.Popen([sys.executable, "-c", deaf])
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_process_that_outlives_its_server_is_ended(run):
    with run(FORSAKEN) as running:
        (child,) = json.loads(running.ask(b"[]")[1])
        assert is_alive(child)
    deadline_s = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not is_alive(child)


def is_alive(pid):
    """Whether a process runs; one that has ended and was not waited for has no command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_server_that_ends_is_told_with_its_log(run):
    with pytest.raises(RuntimeError, match=r"(?s)script does not answer.*no such model"):
        run("raise SystemExit('no such model')").__enter__()
