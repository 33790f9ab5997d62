"""From a variable's text to its value.

Each function raises ValueError with what it expected; `Settings` adds name and text.
"""

from collections.abc import Callable
from pathlib import Path

from byoi_lib.serving import cpus

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_NEVER_BEFORE_A_FORK = {"tensorflow", "keras"}


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return the parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return parse


def seconds(text: str) -> float:
    """Return a number of seconds, above 0 and at most an hour."""
    wanted = "a number of seconds above 0, at most 3600"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 < number <= 3600:
        raise ValueError(wanted)
    return number


def workers(text: str) -> int:
    """Return a number of processes."""
    if text == "auto":
        return cpus.available()
    try:
        return whole(1, 256)(text)
    except ValueError:
        raise ValueError("a whole number from 1 to 256, or auto for one a CPU") from None


def media_type(text: str) -> str:
    """Return one media type without parameters."""
    kind, slash, subtype = text.partition("/")
    if not (slash and kind and subtype) or "*" in text or any(c in text for c in ",; \t"):
        raise ValueError("one media type without parameters, for example application/json")
    return text


def log_level(text: str) -> str:
    """Return a name of Python's logging, also for its number."""
    numbers = {str(10 * place): name for place, name in enumerate(LOG_LEVELS, start=1)}
    name = numbers.get(text, text.upper())
    if name not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)}, or its number in Python's logging")
    return name


def proxy(text: str) -> str:
    """Return whether nginx is wanted: auto or off."""
    if text not in {"auto", "off"}:
        raise ValueError("auto or off")
    return text


def word(text: str) -> str:
    """Return any text that is not blank."""
    if not text.strip():
        raise ValueError("a value that is not empty")
    return text


def modules(text: str) -> str:
    """Return names of modules, separated by commas without spaces; there may be none."""
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError("names of modules, separated by commas, for example numpy,onnxruntime")
    if {name.split(".")[0] for name in names} & _NEVER_BEFORE_A_FORK:
        raise ValueError("modules other than tensorflow and keras, whose threads no fork copies")
    return ",".join(names)


def address(text: str) -> str:
    """Return an IPv4 address."""
    numbers = word(text).split(".")
    if len(numbers) != 4 or not all(n.isdecimal() and int(n) < 256 for n in numbers):
        raise ValueError("an IPv4 address, for example 127.0.0.1")
    return text


def path(text: str) -> Path:
    """Return an absolute path."""
    return Path(word(text)).absolute()
