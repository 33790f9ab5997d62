"""Does a running endpoint classify raw reviews as well as the network does offline?

    .venv/bin/python benchmarks/endpoint_accuracy.py --url URL --reviews FILE.jsonl
        [--batch 32] [--model-dir DIR --npz imdb.npz]

Each line of FILE.jsonl has `text` and `label` (0 or 1). Prints accuracy, errors by
status, and reviews a second. With `--model-dir` and `--npz`, each line also has `row`,
the row of `x_train`, and every probability is compared with what `model.keras` gives in
Keras for the ids of that row, padded by Keras: an own path from ranks to answer, in
which none of this project's encoder takes part. Ends with 1 where one is off by more
than 1e-5, or a request failed.
"""

import argparse
import collections
import http.client
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from tqdm import tqdm

TOLERANCE = 1e-5


def read_reviews(path: Path) -> list[dict[str, Any]]:
    """Return the lines; split at newlines only, as texts may hold other line ends."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line.strip()]


def ask(url: str, texts: list[str]) -> tuple[int, np.ndarray | None]:
    """Send one request; return its status (0 where nothing answered) and probabilities."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=70)
    path = parts.path.rstrip("/").removesuffix("/invocations") + "/invocations"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        connection.request("POST", path, json.dumps({"instances": texts}).encode(), headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    if response.status != http.client.OK:
        return response.status, None
    return response.status, np.array(json.loads(body)["predictions"], np.float64)


def offline(model_dir: Path, npz: Path, rows: list[int]) -> np.ndarray:
    """Return what model.keras gives for rows of x_train, by Keras alone."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # noqa: PLC0415 - only this comparison needs it

    import byoi_lib.model  # noqa: F401, PLC0415 - registers the layers of the network

    config = json.loads((model_dir / "manifest.json").read_text(encoding="utf-8"))["config"]
    size, max_length = config["vocabulary_size"], config["max_length"]
    network = keras.models.load_model(model_dir / "model.keras", compile=False)
    with np.load(npz, allow_pickle=True) as arrays:
        ranks = arrays["x_train"]
    # What imdb.load_data does by default: start 1, offset 3, unknown 2.
    ids = [[1, *(r + 3 if r + 3 < size else 2 for r in ranks[row])] for row in rows]
    padded = keras.utils.pad_sequences(ids, max_length)
    return np.asarray(network.predict(padded, batch_size=32, verbose=0), np.float64)


def main() -> int:
    """Measure, print, and tell whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", required=True, help="for example http://localhost:8080")
    parser.add_argument("--reviews", required=True, type=Path, metavar="FILE.jsonl")
    parser.add_argument("--batch", type=int, default=1, help="reviews in one request")
    parser.add_argument("--model-dir", type=Path, help="compare with its model.keras")
    parser.add_argument("--npz", type=Path, help="Keras's imdb.npz, for the comparison")
    options = parser.parse_args()
    if (options.model_dir is None) != (options.npz is None):
        parser.error("--model-dir and --npz go together: give both or none")
    reviews = read_reviews(options.reviews)
    answers = np.full((len(reviews), 2), np.nan)
    statuses: collections.Counter[int] = collections.Counter()
    began = time.monotonic()
    with tqdm(total=len(reviews), unit="review", disable=None) as bar:
        for first in range(0, len(reviews), options.batch):
            batch = reviews[first : first + options.batch]
            status, probabilities = ask(options.url, [review["text"] for review in batch])
            statuses[status] += 1
            if probabilities is not None:
                answers[first : first + len(batch)] = probabilities
            bar.update(len(batch))
    seconds = time.monotonic() - began
    answered = np.isfinite(answers).all(axis=1)
    labels = np.array([review["label"] for review in reviews])
    right = (answers.argmax(axis=1) == labels)[answered]
    failed = {status: count for status, count in sorted(statuses.items()) if status != 200}
    accuracy = f"{right.mean():.4f}" if right.size else "none"
    print(f"reviews answered:   {answered.sum()} of {len(reviews)}")
    print(f"accuracy:           {accuracy}")
    print(f"errors by status:   {failed or 'none'}")
    print(f"reviews a second:   {len(reviews) / seconds:.0f} ({options.batch} a request)")
    passed = not failed
    if options.model_dir is not None:
        rows = [review["row"] for review in reviews]
        off = np.abs(answers - offline(options.model_dir, options.npz, rows))[answered]
        largest = off.max() if off.size else np.inf
        print(f"against Keras:      {len(off)} reviews, largest difference {largest:.1e}")
        passed = passed and bool(largest <= TOLERANCE)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
