"""How long does it take to turn a review of 230 words into token ids, on one core?

    .venv/bin/python benchmarks/encode.py [--word-index FILE.json] [--words 230]

Without a word index, one of 88,584 made-up words stands in for IMDB's; the review mixes
words of it with unknown ones, capitals and punctuation. Prints machine, versions and the
best and median of many runs, in microseconds; and how long the vocabulary takes to load,
which every start of a worker pays.
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from byoi_lib.preprocessing import encode
from byoi_lib.vocabulary import Vocabulary

INDEX_WORDS = 88_584
RUNS, CALLS = 50, 100


def made_up_index() -> dict[str, int]:
    """Return as many words as IMDB's index has, of about their length."""
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]
    words = (
        first + second + third
        for first in syllables
        for second in syllables
        for third in ("", *syllables)
    )
    return {word: rank for rank, word in zip(range(1, INDEX_WORDS + 1), words, strict=False)}


def made_up_review(word_index: dict[str, int], words: int) -> str:
    """Return a review in which frequent words are frequent, as in a language."""
    chooser = random.Random(1)
    known = list(word_index)
    chosen = [known[int(len(known) ** chooser.random()) - 1] for _ in range(words)]
    chosen[::10] = [word.capitalize() + "," for word in chosen[::10]]
    chosen[5::20] = ["Zqxj-unknown<br />" for _ in chosen[5::20]]
    return " ".join(chosen)


def microseconds(call: Callable[[], object], runs: int = RUNS, calls: int = CALLS) -> list[float]:
    """Return the time of one call in each of `runs` runs of `calls` calls."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - began) / calls * 1e6)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--word-index", type=Path, help="JSON of word to rank, such as Keras's")
    parser.add_argument("--words", type=int, default=230, help="words of the review")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.word_index:
        word_index = json.loads(options.word_index.read_text(encoding="utf-8"))
        word_index = dict(sorted(word_index.items(), key=lambda entry: entry[1]))
    else:
        word_index = made_up_index()
    vocabulary = Vocabulary.from_word_index(word_index, size=20_000)
    review = made_up_review(word_index, options.words)
    ids = encode([review], vocabulary, max_length=400)[0]
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"NumPy {np.__version__}, {len(word_index)} words in the index, one core")
    times = microseconds(lambda: encode([review], vocabulary, max_length=400))
    print(
        f"a review of {options.words} words ({len(review)} characters, {len(ids)} ids): "
        f"best {min(times):.1f} us, median {statistics.median(times):.1f} us"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.json"
        vocabulary.save(path)
        times = microseconds(lambda: Vocabulary.load(path), runs=10, calls=1)
        print(
            f"vocabulary of {path.stat().st_size / 1e3:.0f} kB loaded: "
            f"best {min(times) / 1e3:.1f} ms, median {statistics.median(times) / 1e3:.1f} ms"
        )


if __name__ == "__main__":
    sys.exit(main())
