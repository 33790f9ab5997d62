"""Every decoder of `byoi.formats` and `byoi_lib.request`, on what hypothesis makes.

A body is a valid one with changes, or made from the format's parts: JSON and CSV with awkward
values, .npy with a header that claims anything, or bytes. Each goes to each decoder, under a
Content-Type that fits or does not. What may be raised is a `RequestError`; anything else is a
fault, as is a decoder that takes longer than `HANG_S`, or memory that grows.

A run is made of batches with a seed each: hypothesis remembers what it has tried, which would
grow, and a fault is found again by the seed of its batch. An input that a batch has tried already
is neither tried nor counted again.
"""

import collections
import contextlib
import io
import json
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import numpy as np
from hypothesis import strategies as st

from byoi import errors, formats
from byoi.formats import Signature, Tensor, content_types, decoder, numbers, tensors
from byoi_lib import request

BATCH = 1_000
HANG_S = 10
_TAPE_BYTES = 48
# One tape is read from so many places: to draw one takes hypothesis longer than all decoders take.
_STARTS = 8
_Option = TypeVar("_Option")


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        body: Of the request.
        content_type: Value of its header.
        accept: Value of its header.
    """

    body: bytes
    content_type: str
    accept: str


class HangError(Exception):
    """A decoder took longer than `HANG_S`."""


# The decoders.

_SIGNATURES = {
    "a table": Signature((Tensor("x", "float32", (None, 4)),), ()),
    "of any width": Signature((Tensor("ids", "int32", (None, None)),), ()),
    "several": Signature(
        (
            Tensor("a", "float64", (None,)),
            Tensor("b", "int64", (None, 1)),
            Tensor("c", "object", (None,)),
        ),
        (),
    ),
    "an image": Signature((Tensor("pixels", "uint8", (None, 2, 2, 1)),), ()),
    "texts": Signature((Tensor("text", "str", (None, 1)),), ()),
    "booleans": Signature((Tensor("is", "bool", (None,)),), ()),
    "one value": Signature((Tensor("half", "float16", ()), Tensor("x", "uint64", (None,))), ()),
}


def _of_signature(signature: Signature) -> Callable[[Case], object]:
    return lambda case: tensors.decode(case.body, case.content_type, signature)


def _text(case: Case) -> str:
    return content_types.read_text(
        case.body, content_types.text_charset(case.content_type) or "utf-8"
    )


DECODERS: dict[str, Callable[[Case], object]] = {
    "parse": lambda case: formats.parse(case.content_type),
    "text_charset": lambda case: content_types.text_charset(case.content_type),
    "negotiate": lambda case: formats.negotiate(case.accept),
    "is_any": lambda case: content_types.is_any(case.accept),
    "of_body": lambda case: content_types.of_body(case.body),
    "of_file": lambda case: content_types.of_file(case.accept),
    "read_text": _text,
    "read_json": lambda case: decoder.read_json(_text(case)),
    "read_json with NaN": lambda case: decoder.read_json(_text(case), allow_nan=True),
    "read_json_lines": lambda case: decoder.read_json_lines(_text(case)),
    "read_csv": lambda case: decoder.read_csv(_text(case)),
    "read_npy": lambda case: decoder.read_npy(case.body),
    "decode_numbers": lambda case: numbers.decode(case.body, case.content_type),
    "encode_numbers": lambda case: numbers.encode([[1.5, 2]], case.accept),
    "decode_rows": lambda case: formats.decode_rows(case.body, case.content_type, 4),
    "decode_rows by names": lambda case: formats.decode_rows(
        case.body, case.content_type, ("a", "b"), "float32", missing=True
    ),
    **{f"decode_tensors, {name}": _of_signature(one) for name, one in _SIGNATURES.items()},
    "byoi_lib.request": lambda case: request.decode(case.body, case.content_type),
    "byoi_lib.request of a text": lambda case: request.decode(_text(case), case.content_type),
}


# The inputs.

_NUMBERS = (
    *("0", "-0", "1", "-1", "1.5", "1e5", "1E400", "-1e-400", "1e39", "00", "01", "0x1", "1_0"),
    *("NaN", "Infinity", "-Infinity", "nan", "inf", "\u0661", "+1", ".5", "5.", "1e", "--1"),
    *("9007199254740993", "9223372036854775808", "18446744073709551616", "4294967296", "65504.1"),
    *("1" + "0" * 400, "-1" + "0" * 309, "1" * 4_301),
)
_WORDS = (
    *(
        "null",
        "true",
        "false",
        "",
        " ",
        "\x00",
        "\ufeff",
        "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        "a",
        "é",
        "\U0001f600",
        '"',
        '""',
        "\\",
        "\r",
        "\n",
        "\r\n",
    ),
    *(",", ";", "\t", "'", "not rare", "[", "]", "{", "}", ":", '"\\ud800"', '"a"', '"\\u0000"'),
    *('{"a":1}', '{"a":1,"a":2}', "[[]]", "[[[[[[[[[[]]]]]]]]]]", '"instances"', '"inputs"'),
)
_TYPES = (
    *(*content_types.REQUEST_TYPES, *content_types.OTHER_NAMES[content_types.JSON_LINES]),
    *("", "text/csv; header=present", "text/csv; header=absent", "application/octet-stream"),
    *("application/json; charset=utf-16", "text/csv; charset=latin-1", "text/csv; charset=cp1252"),
    *("Application/JSON;CHARSET=UTF-8", "text/plain; charset=idna", "text/csv; charset=\x00"),
    *("application/json; charset", "application/json;;;", "a/b; charset*=utf-8''%ff", "/"),
)
_ACCEPTS = (
    *(*content_types.RESPONSE_TYPES, "*/*", "", "text/*;q=0.5, application/json;q=0", "*"),
    *("application/x-npy;q=nan", "text/csv;q=1e999, */*;q=-1", ";;", ",,,", 'a/b;q="'),
)


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


_VALID = (
    *(b'{"instances": [[1, 2, 3, 4], [5.5, 6, 7, null]]}', b"[[1, 4, 6, 5], [1, 8, 2, 3]]"),
    *(b'{"inputs": {"a": [1.5], "b": [[2]], "c": ["x"]}}', b'{"review": "not bad"}', b'"not bad"'),
    *(b'{"instances": [{"a": 1.5, "b": 2, "c": "x"}], "signature_name": "serving_default"}',),
    *(b'{"a": 1, "b": 2}\n{"a": 3, "b": null}\n', b"[1, 2, 3, 4]\n[5, 6, 7, 8]\n"),
    *(b"1,2,3,4\r\n5,,7,8\r\n", b'"so, so"\n"he said ""no"""\n', b"a,b\n1,2\n", b"a review"),
    *('["é", "中"]'.encode(), "[1, 2, 3, 4]".encode("utf-16"), b"\xef\xbb\xbf[1, 2, 3, 4]"),
    *(_npy(np.zeros((2, 4), "f4")), _npy(np.ones((3, 2), ">i8")), _npy(["a", "中b"]), _npy(5)),
    *(_npy(np.zeros((1, 2, 2, 1), "u1")), _npy([True, False]), _npy(np.ones(4, "c8"))),
)  # fmt: skip


_PIECES = tuple(one.encode("utf-8", "replace") for one in (*_NUMBERS, *_WORDS))
_JOINS = (b",", b"", b"\n", b", ", b"\r\n", b"],[", b'":', b'","')
_WRAPS = (
    *((b"", b""), (b"[", b"]"), (b"[[", b"]]"), (b'{"instances":[', b"]}"), (b'{"inputs":', b"}")),
    *((b'{"inputs":{"a":', b"}}"), (b'{"review":"', b'"}'), (b'["', b'"]'), (b'"', b'"')),
    *((b"[" * depth, b"]" * depth) for depth in (33, 65, 3_000)),
    (b'{"a":' * 2_000, b"}" * 2_000),
)
_MAGIC = (b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00", b"\x93NUMPY\x03\x00", b"\x93NUMPZ\x01\x00")
_DTYPES = (
    *("'<f4'", "'>i8'", "'<U3'", "'|O'", "'<U0'", "'|V8'", "'|S4'", "'<M8[ns]'", "'<c16'"),
    *("[('a', '<f4')]", "'<f2'", "'<f16'", "'<U536870911'", "'nonsense'", "5", "None"),
    *("'|b1'", "'<i'", "'<U1'", "'|u1'", "'>U2'"),
)
_SHAPES = (
    *("()", "(1,)", "(2, 2)", "(0,)", "(-1,)", "(3, -2)", "(4294967296, 4294967296)"),
    *("(1.5,)", "(True,)", "[2]", "(1,) * 40", "(" + "1, " * 70 + ")", "(10**20,)", "5"),
)


class Tape:
    """Bytes of hypothesis that choose the parts of an input; zeros choose the simplest.

    Drawing the parts one by one would take hypothesis several times as long as all decoders take.
    """

    def __init__(self, tape: bytes) -> None:
        self._tape = tape
        self._place = 0

    def number(self, below: int) -> int:
        """Return a number from 0 on; 0 once the tape has ended."""
        if self._place >= len(self._tape):
            return 0
        self._place += 1
        return self._tape[self._place - 1] % below

    def one_of(self, options: Sequence[_Option]) -> _Option:
        """Return one of some options."""
        return options[self.number(len(options))]

    def rest(self, size: int) -> bytes:
        """Return some bytes of the tape as they are."""
        self._place += size
        return self._tape[self._place - size : self._place]


def case_of(tape: bytes) -> Case:
    """Return the input that a tape describes."""
    chosen = Tape(tape)
    content_type = chosen.one_of(_TYPES) + chosen.rest(chosen.number(3)).decode("latin-1")
    accept = chosen.one_of(_ACCEPTS) + chosen.rest(chosen.number(3)).decode("latin-1")
    body = chosen.one_of((_mutated, _joined, _npy_body, _mutated, _raw))(chosen)
    return Case(body, content_type, accept)


def cases_of(tape: bytes) -> list[Case]:
    """Return the inputs that a tape describes, read as a ring from several places.

    Whatever the place, the bytes are as random, and choose something else.
    """
    step = max(1, len(tape) // _STARTS)
    return [case_of(tape[start:] + tape[:start]) for start in range(0, len(tape), step)]


def _mutated(chosen: Tape) -> bytes:
    """Change a valid body: put something in, take bytes away, repeat or replace a part, cut it."""
    body = chosen.one_of(_VALID)
    for _ in range(chosen.number(5)):
        kind, at = chosen.number(6), chosen.number(256) * len(body) // 256
        piece = chosen.one_of(_PIECES) if chosen.number(2) else chosen.rest(2)
        head, tail = body[:at], body[at:]
        body = (
            head + piece + tail,
            head + tail[len(piece) :],
            head + piece + tail[len(piece) :],
            head + tail[: len(piece)] * 3 + tail,
            head,
            tail,
        )[kind]
    return body


def _joined(chosen: Tape) -> bytes:
    join, (start, end) = chosen.one_of(_JOINS), chosen.one_of(_WRAPS)
    pieces = [chosen.one_of(_PIECES) for _ in range(chosen.number(9))]
    return start + join.join(pieces) + end


def _npy_body(chosen: Tape) -> bytes:
    magic, descr, shape = chosen.one_of(_MAGIC), chosen.one_of(_DTYPES), chosen.one_of(_SHAPES)
    order = chosen.one_of(("False", "True", "1", "None"))
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    length = (len(header) + chosen.number(2)).to_bytes(4 if magic[6] == 2 else 2, "little")
    return magic + length + header + chosen.rest(chosen.number(33))


def _raw(chosen: Tape) -> bytes:
    return chosen.rest(_TAPE_BYTES)


# One batch in `_RICH` is drawn part by part: any text, any number, any nesting.
_RICH = 10
_values = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400, -(10**309), 1e308, 5e-324]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "b", "c", "review", "x"]), inner, max_size=3),
    ),
    max_leaves=8,
)
_rich_bodies = st.one_of(
    st.builds(
        lambda value, key: json.dumps({key: value} if key else value).encode(),
        _values,
        st.sampled_from(["", "instances", "inputs"]),
    ),
    st.lists(st.lists(st.text(max_size=6), max_size=4), max_size=4).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")
    ),
    st.binary(max_size=200),
)
# All of Latin-1; to be asked for the codec, hypothesis would try each character of Unicode.
_header_texts = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n"), max_size=40)
RICH_CASES = st.tuples(
    st.builds(
        Case,
        _rich_bodies,
        st.one_of(st.sampled_from(_TYPES), _header_texts),
        st.one_of(st.sampled_from(_ACCEPTS), _header_texts),
    )
)
CASES = st.binary(min_size=_TAPE_BYTES, max_size=_TAPE_BYTES).map(cases_of)


# A run.


@dataclass
class Report:
    """What a run did.

    Attributes:
        inputs: How many cases were tried, of each batch the different ones.
        outcomes: Of all decoders together: how often each error was raised, and how often none.
        memory_mb: Of this process after each batch.
    """

    inputs: int = 0
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    memory_mb: list[float] = field(default_factory=list)

    def growth_mb(self) -> float:
        """Return by how much the process grew, from a quarter of the run to its end."""
        return self.memory_mb[-1] - self.memory_mb[len(self.memory_mb) // 4]


def check(case: Case, outcomes: collections.Counter[str]) -> None:
    """Give a case to each decoder.

    Raises:
        HangError: One takes too long.
        Exception: One raises anything but a `RequestError`; a note names it.
    """
    for name, decode in DECODERS.items():
        try:
            decode(case)
            outcomes["decoded"] += 1
        except errors.RequestError as error:
            outcomes[type(error).__name__] += 1
            # Its text is made when it is shown.
            str(error).encode("utf-8", "replace")
        except Exception as error:
            error.add_note(f"decoder: {name}; input: {case!r:.2000}")
            raise


def batch(seed: int, inputs: int, report: Report) -> None:
    """Try some inputs of one seed.

    Raises:
        Exception: As `check`, for the smallest input that hypothesis found.
    """
    is_rich = seed % _RICH == 0
    tried: set[Case] = set()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=inputs if is_rich else -(-inputs // _STARTS),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(RICH_CASES if is_rich else CASES)
    def each(cases: Sequence[Case]) -> None:
        for case in cases:
            if case not in tried:
                signal.setitimer(signal.ITIMER_REAL, HANG_S)
                try:
                    check(case, report.outcomes)
                finally:  # what hypothesis does between two inputs has no limit
                    signal.setitimer(signal.ITIMER_REAL, 0)
                tried.add(case)  # only now: hypothesis tries a fault again
                report.inputs += 1

    with _alarm(), warnings.catch_warnings():
        # What NumPy only warns of would be a wrong number; of an old header it may warn.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        each()
    report.memory_mb.append(_memory_mb())


def run(seed: int, inputs: int) -> Report:
    """Try inputs in batches, whose seeds count up.

    Args:
        seed: Of the first batch.
        inputs: How many at least.

    Raises:
        Exception: As `check`; the seed of the batch is in a note.
    """
    report = Report()
    while report.inputs < inputs:
        try:
            batch(seed, min(BATCH, inputs - report.inputs), report)
        except Exception as error:
            error.add_note(f"seed of the batch: {seed}")
            raise
        seed += 1
    return report


def replay(body: bytes, content_type: str = "", accept: str = "") -> Iterator[str]:
    """Yield what each decoder makes of one input, for a look at a fault."""
    for name, decode in DECODERS.items():
        try:
            yield f"{name}: {decode(Case(body, content_type, accept))!r:.100}"
        except Exception as error:  # noqa: BLE001 - whatever it is, is shown
            yield f"{name}: {type(error).__name__}: {error}"


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise HangError(f"no answer for {HANG_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
