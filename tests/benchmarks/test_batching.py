import json
import sys
import threading

import batching
import numpy as np
import pytest
import serving_contenders
from batching import ENTRANTS
from serving_table import Case, Sample

sys.path.append(str(serving_contenders.PEERS))


@pytest.fixture(scope="module")
def network():
    import recurrent

    return recurrent.Network()


def test_rows_together_get_the_answers_that_they_get_alone(network):
    rows = np.array(batching.made_up_rows())
    assert rows.shape == (batching.ROWS, batching.STEPS)
    together = network.predict(rows)
    alone = np.concatenate([network.predict(row[None]) for row in rows])
    assert np.abs(together - alone).max() < batching.TOLERANCE
    # Rows that were mixed up would be noticed.
    assert np.abs(together - np.roll(together, 1, axis=0)).max(axis=1).min() > batching.TOLERANCE


@pytest.fixture
def byoi(monkeypatch):
    monkeypatch.syspath_prepend(str(serving_contenders.PEERS / "byoi"))
    import recurrent_inference

    return recurrent_inference


@pytest.mark.parametrize("size", [1, 8])
def test_our_module_answers_with_and_without_batches(byoi, network, size):
    from werkzeug.datastructures import Headers

    from byoi.server.context import Context
    from byoi.server.handler import Handler

    handler = Handler(byoi, "module", batch_size=size)
    assert handler.batch_size == size
    model = handler.load("nowhere")
    contexts = [Context(Headers()) for _ in range(3)]
    rows = batching.made_up_rows()[:3]
    data = [
        handler.decode(json.dumps([row]).encode(), "application/json", context)
        for row, context in zip(rows, contexts, strict=True)
    ]
    found = handler.predict_together(data, model, contexts)
    for row, prediction, context in zip(rows, found, contexts, strict=True):
        answer = json.loads(handler.encode(prediction, "application/json", context).body)
        assert ENTRANTS[0].numbers(answer) == pytest.approx(
            network.predict([row])[0].tolist(), abs=1e-5
        )


def test_each_entrant_has_its_file_its_lock_and_a_body(network):
    names = [one.server.name for one in ENTRANTS]
    assert len(set(names)) == len(names)
    for one in ENTRANTS:
        lock = serving_contenders.PEERS / f"{one.server.environment}.txt"
        assert "--hash=sha256:" in lock.read_text(encoding="utf-8")
        assert (serving_contenders.PEERS / one.server.file(batching.TASK)).is_file()
        assert "[0.5, 1.5]" in json.dumps(one.body([0.5, 1.5]))
        assert one.alone in names
        values = {"port": "1234", "workers": "2", "task": batching.TASK}
        variables = serving_contenders.environ(
            one.server, batching.TASK, serving_contenders.PEERS, values
        )
        size = variables.get("BATCH_SIZE", variables.get("BYOI_BATCH_SIZE"))
        assert size == ("1" if one.server.name == one.alone else "8")


class Answers:
    """A server that is asked in the place of a running one."""

    def __init__(self, status):
        self.status = status
        self.at_once = threading.Barrier(2, timeout=30)

    def ask(self, body):
        (row,) = json.loads(body)
        self.at_once.wait()
        return self.status, json.dumps([row]).encode()


def test_answers_come_in_the_order_of_the_rows_though_several_are_asked_for_at_once():
    rows = [[float(number)] for number in range(8)]
    assert batching.answers(ENTRANTS[0], Answers(200), rows) == rows


def test_another_status_is_no_answer():
    with pytest.raises(RuntimeError, match="BYOI, one at a time answers 503"):
        batching.answers(ENTRANTS[0], Answers(503), [[1.0], [2.0]])


def test_the_table_compares_each_server_with_itself_one_at_a_time():
    samples = {
        (Case("100 readings", 8), one.server.name): [
            Sample(100.0 * (number + 1), 5.0, 9.0, 1.0, 0.1, number)
        ]
        for number, one in enumerate(ENTRANTS)
    }
    head, rule, *lines = batching.table(samples)
    assert head.count("|") == rule.count("|") == lines[0].count("|")
    assert len(lines) == len(ENTRANTS)
    ratios = [line.split(" | ")[3].split()[0] for line in lines]
    assert ratios == ["1.00", "2.00", "3.00", "1.00", "1.25", "1.00", "1.17"]
    assert lines[-1].endswith("| 6 |")


def test_what_a_call_costs_is_compared_with_two_rows():
    assert list(batching.call_table({1: 1.0, 2: 2.0, 8: 3.0})) == [
        "| rows in a call | 1 | 2 | 8 |",
        "|---|--:|--:|--:|",
        "| ms | 1.00 | 2.00 | 3.00 |",
        "| to two rows | 0.50 | 1.00 | 1.50 |",
    ]
