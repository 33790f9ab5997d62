"""The requests of `serving.py`: JSON bodies, the same for every server."""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving_contenders import CLASSIFIER, ROWS

from byoi_lib import sample

# Words of IMDB's reviews: the median is 174, the quartiles 127 and 284, the longest above 2,000.
# A log-normal distribution with this median and width is near to that.
_MEDIAN_WORDS, _WIDTH, _MOST_WORDS = 174, 0.6, 1_500
_TEXTS = 400
_SHORT_WORDS = 12
_IDS = 200
_SAMPLE_TEXTS = 2_000
_SEED = 12


@dataclass(frozen=True)
class Kind:
    """One kind of body.

    Attributes:
        name: In the tables.
        task: Which model answers it.
        connections: How many connections it is measured with.
        make: Makes the bodies from review texts.
    """

    name: str
    task: str
    connections: tuple[int, ...]
    make: Callable[[Sequence[str]], list[bytes]]


def read_texts(file: Path) -> list[str]:
    """Read review texts from a file of one's own: one a line, or JSON Lines with a `text` each.

    Raises:
        ValueError: It has no text.
    """
    # Not splitlines: a review may hold what Unicode calls the end of a line.
    lines = [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    texts = [json.loads(line)["text"] if line.startswith("{") else line for line in lines]
    if not texts:
        raise ValueError(f"{file} has no text; expected one review a line")
    return texts[:_TEXTS]


def made_up_texts() -> list[str]:
    """Return reviews as long as IMDB's, each of many of the built-in sample's in a row."""
    choice = random.Random(_SEED)
    reviews = [one.text for one in sample.texts("held-out", count=_SAMPLE_TEXTS)]
    found = []
    for _ in range(_TEXTS):
        length = choice.lognormvariate(0, _WIDTH) * _MEDIAN_WORDS
        words: list[str] = []
        while len(words) < min(length, _MOST_WORDS):
            words += choice.choice(reviews).split()
        found.append(" ".join(words))
    return found


def short(texts: Iterable[str]) -> list[str]:
    """Return the first twelve words of each text that has as many."""
    split = (text.split() for text in texts)
    return [" ".join(words[:_SHORT_WORDS]) for words in split if len(words) >= _SHORT_WORDS]


def ids_body(vocabulary_size: int) -> bytes:
    """Return a body of one review of 200 token ids, none of them the padding."""
    choice = random.Random(_SEED)
    return _body([[choice.randrange(1, vocabulary_size) for _ in range(_IDS)]])


def kinds(vocabulary_size: int) -> tuple[Kind, ...]:
    """Return the four kinds for a network with so many token ids."""
    return (
        Kind("200 ids", CLASSIFIER, (1, 8, 32, 256), lambda _: [ids_body(vocabulary_size)]),
        Kind("review texts", CLASSIFIER, (8, 32), lambda texts: [_body([one]) for one in texts]),
        Kind("12 words", CLASSIFIER, (8, 32), lambda texts: [_body([one]) for one in short(texts)]),
        Kind("4 numbers", ROWS, (8, 32), lambda _: _row_bodies()),
    )


def largest_difference(one: Any, other: Any) -> float:
    """Return the largest difference between the numbers of two JSON documents of one shape.

    Returns:
        Infinity where the shapes differ.
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((largest_difference(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return max((largest_difference(*pair) for pair in pairs), default=0.0)
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return abs(one - other) if numbers else (0.0 if one == other else float("inf"))


def _body(instances: Sequence[Any]) -> bytes:
    return json.dumps({"instances": instances}).encode()


def _row_bodies() -> list[bytes]:
    choice = random.Random(_SEED)
    centres = ((5.1, 3.5, 1.4, 0.2), (6.9, 3.1, 4.9, 1.5), (6.3, 3.3, 6.0, 2.5))
    rows = [
        [round(choice.gauss(value, 0.3), 1) for value in choice.choice(centres)] for _ in range(50)
    ]
    return [json.dumps([row]).encode() for row in rows]
