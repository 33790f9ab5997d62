"""Settings as environment variables: the field of a setting, and a parser for each kind of value.

A parser raises ValueError with the expected value as its message; `parsed` adds the name and the
received text.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byoi import errors

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Level names of other loggers: log4j, syslog and nginx.
_OTHER_LEVELS = {
    "NOTSET": "DEBUG",
    "ALL": "DEBUG",
    "TRACE": "DEBUG",
    "NOTICE": "INFO",
    "WARN": "WARNING",
    "ERR": "ERROR",
    "CRIT": "CRITICAL",
    "FATAL": "CRITICAL",
    "ALERT": "CRITICAL",
    "EMERG": "CRITICAL",
    "OFF": "CRITICAL",
}
LEVEL_NAMES = ", ".join((*LOG_LEVELS, *_OTHER_LEVELS))
# They start threads on import, which a fork does not copy.
_NEVER_BEFORE_A_FORK = {"tensorflow", "keras"}


def parse_whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return parse


def parse_seconds(text: str) -> float:
    """Parse a number of seconds, above 0 and at most 3600."""
    wanted = "a number of seconds above 0, at most 3600"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 < number <= 3600:
        raise ValueError(wanted)
    return number


def parse_workers(text: str) -> int:
    """Parse a number of processes, 1 to 256, or `auto`, which is 0: the server chooses."""
    if text.strip().lower() == "auto":
        return 0
    try:
        return parse_whole(1, 256)(text)
    except ValueError:
        raise ValueError("a whole number from 1 to 256, or auto") from None


def parse_media_type(text: str) -> str:
    """Parse one media type without parameters."""
    kind, slash, subtype = text.partition("/")
    if not (slash and kind and subtype) or "*" in text or any(c in text for c in ",; \t"):
        raise ValueError("one media type without parameters, for example application/json")
    return text


def parse_log_level(text: str) -> str:
    """Parse a log level to the name of a level of Python's logging.

    Args:
        text: A name in any case, also of other loggers, or a number of Python's logging; a number
            between two levels becomes the higher one.
    """
    name = text.strip().upper()
    name = _OTHER_LEVELS.get(name, name)
    if name.isascii() and name.isdigit() and int(name) <= 50:
        name = LOG_LEVELS[max(1, math.ceil(int(name) / 10)) - 1]
    if name not in LOG_LEVELS:
        raise ValueError(
            f"one of {LEVEL_NAMES} in any case, or a number of Python's logging from 0 to 50"
        )
    return name


def parse_proxy(text: str) -> str:
    """Parse the choice of the proxy: auto or off."""
    if text not in {"auto", "off"}:
        raise ValueError("auto or off")
    return text


def parse_switch(text: str) -> str:
    """Parse a switch, on or off; 1 and 0 mean the same."""
    switch = {"1": "on", "0": "off"}.get(text, text)
    if switch not in {"on", "off"}:
        raise ValueError("on or off")
    return switch


def parse_flag(text: str) -> int:
    """Parse a yes or no: 1 or 0."""
    if text not in {"0", "1"}:
        raise ValueError("1 or 0")
    return int(text)


def parse_truth(text: str) -> bool:
    """Parse true or false in any case; empty is false."""
    name = text.strip().lower()
    if name not in {"true", "false", "1", "0", ""}:
        raise ValueError("true or false")
    return name in {"true", "1"}


def parse_strategy(text: str) -> str:
    """Parse the batch strategy of a transform, in either spelling; empty for none."""
    name = text.strip().replace("_", "").lower()
    if name not in {"singlerecord", "multirecord", ""}:
        raise ValueError("SINGLE_RECORD or MULTI_RECORD")
    return name and f"{name.removesuffix('record')}_record".upper()


def parse_word(text: str) -> str:
    """Check that a text is not blank."""
    if not text.strip():
        raise ValueError("a value that is not empty")
    return text


def parse_script(text: str) -> str:
    """Parse the name of a Python file, with or without `.py`; empty for none."""
    name = text.strip()
    return name if not name or name.endswith(".py") else f"{name}.py"


def parse_directory(text: str) -> str:
    """Parse a directory, or its file:// URI; empty for none."""
    name = text.strip().removeprefix("file://")
    if "://" in name:
        raise ValueError(
            "a directory of the container. Nothing is fetched at start: give the SDK's Model "
            "model data, so that it packs the code with them, or put the code into the image"
        )
    return name


def parse_modules(text: str) -> str:
    """Parse names of modules, separated by commas, possibly none; spaces are removed."""
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError("names of modules, separated by commas, for example numpy,onnxruntime")
    if {name.split(".")[0] for name in names} & _NEVER_BEFORE_A_FORK:
        raise ValueError(
            "modules other than tensorflow and keras, whose threads a fork does not copy"
        )
    return ",".join(names)


def parse_address(text: str) -> str:
    """Parse an IPv4 address."""
    numbers = parse_word(text).split(".")
    if len(numbers) != 4 or not all(n.isdecimal() and int(n) < 256 for n in numbers):
        raise ValueError("an IPv4 address, for example 127.0.0.1")
    return text


def parse_path(text: str) -> Path:
    """Parse a path to an absolute path."""
    return Path(parse_word(text)).absolute()


def parsed(name: str, text: str, parse: Callable[[str], Any]) -> Any:
    """Return the value of a variable.

    Raises:
        ConfigurationError: The value cannot be used.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise errors.ConfigurationError(f"{name}={text!r}: expected {error}") from None


def setting(name: str, parse: Callable[[str], Any], default: Any, meaning: str) -> Any:
    """Return the field of one environment variable."""
    return dataclasses.field(
        default=default, metadata={"variable": name, "parse": parse, "meaning": meaning}
    )
