"""The servers that `own_model.py` compares: what the user of each writes, types and sends.

Each is taken from its own quick start: `peers/NAME/` has the files that the user writes,
`peers/NAME.txt` the locked packages. The requests differ as the protocols do; the rows in them are
the same.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEERS = Path(__file__).resolve().parent / "peers"
# In the quick start of LitServe the port stands in the script.
LITSERVE_PORT = "port=8000"

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Contender:
    """One way to serve the model.

    Attributes:
        name: In the table.
        environment: Of `peers/`, without its ending: the packages.
        files: In `peers/`: what the user writes.
        model: Path in the working folder, below which the model stands.
        command: What the user types; `{port}` stands for a free port. The program is looked for
            in the environment.
        path: Of the URL.
        request: Makes the document of a request from rows, shape (rows, columns).
        labels: Finds the label of each row in the document of an answer.
        variables: Of the environment; `{port}`, `{port+1}` and `{port+2}` are free ports.
    """

    name: str
    environment: str
    files: tuple[str, ...]
    model: str
    command: tuple[str, ...]
    path: str
    request: Callable[[Rows], Any]
    labels: Callable[[Any], list[int]]
    variables: tuple[tuple[str, str], ...] = ()

    def body(self, rows: Rows) -> bytes:
        """Return the body of a request."""
        return json.dumps(self.request(rows)).encode()

    def lines(self) -> int:
        """Return how many lines the user writes."""
        return sum(count_lines((PEERS / name).read_text(encoding="utf-8")) for name in self.files)


def count_lines(source: str) -> int:
    """Return how many lines of a file are neither blank nor only a comment."""
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") for line in source.split("\n")
    )


def _integers(values: Any) -> list[int]:
    """Return the labels of rows; a label may be alone in a row, or the first of its outputs."""
    return [int(_first(one)) for one in values]


def _first(value: Any) -> Any:
    if isinstance(value, dict):
        return next(iter(value.values()))
    return value[0] if isinstance(value, list) else value


def _predictions(document: Any) -> list[int]:
    """Return the labels in an answer to `instances`."""
    return _integers(document["predictions"])


OURS = (
    Contender(
        name="BYOI, model.onnx",
        environment="byoi_onnx",
        files=(),
        model="model/model.onnx",
        command=("byoi", "serve", "--model-dir", "model", "--port", "{port}"),
        path="/invocations",
        request=lambda rows: {"instances": rows},
        labels=_predictions,
    ),
    Contender(
        name="BYOI, model.skops",
        environment="byoi_skops",
        files=(),
        model="model/model.skops",
        command=("byoi", "serve", "--model-dir", "model", "--port", "{port}"),
        path="/invocations",
        request=lambda rows: {"instances": rows},
        labels=_predictions,
    ),
    Contender(
        name="BYOI, inference.py",
        environment="byoi_script",
        files=("byoi/inference.py",),
        model="model/model.joblib",
        command=(
            *("byoi", "serve", "--model-dir", "model", "--port", "{port}"),
            *("--module", "inference.py"),
        ),
        path="/invocations",
        request=list,
        labels=_integers,
    ),
)
PEER_SERVERS = (
    Contender(
        name="LitServe",
        environment="litserve",
        files=("litserve/server.py",),
        model="model.joblib",
        command=("python", "server.py"),
        path="/predict",
        request=lambda rows: {"input": rows},
        labels=lambda document: _integers(document["output"]),
    ),
    Contender(
        name="MLServer",
        environment="mlserver",
        files=("mlserver/model-settings.json",),
        model="model.joblib",
        command=("mlserver", "start", "."),
        path="/v2/models/iris/infer",
        request=lambda rows: {
            "inputs": [
                {
                    "name": "predict",
                    "shape": [len(rows), len(rows[0])],
                    "datatype": "FP64",
                    "data": rows,
                }
            ]
        },
        labels=lambda document: _integers(document["outputs"][0]["data"]),
        variables=(
            ("MLSERVER_HTTP_PORT", "{port}"),
            ("MLSERVER_GRPC_PORT", "{port+1}"),
            ("MLSERVER_METRICS_PORT", "{port+2}"),
        ),
    ),
    Contender(
        name="BentoML",
        environment="bentoml",
        files=("bentoml/service.py",),
        model="model.joblib",
        command=("bentoml", "serve", "--port", "{port}"),
        path="/predict",
        request=lambda rows: {"rows": rows},
        labels=_integers,
    ),
)
CONTENDERS = (*OURS, *PEER_SERVERS)
