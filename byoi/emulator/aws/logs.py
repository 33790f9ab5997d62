"""CloudWatch Logs' reading calls: filter patterns, prefixes of streams and limits of time.

moto answers every event for a pattern that it does not know, ignores prefixes, and includes the
end of a span of time where GetLogEvents excludes it.

Sources: CloudWatch Logs User Guide, FilterAndPatternSyntax ("Matching terms in unstructured log
events"); API GetLogEvents (endTime: "equal to or later than this time are not included"),
FilterLogEvents ("later than this time are not returned"; events are interleaved always).
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogStream
from moto.logs.responses import LogsResponse

from byoi.emulator.aws.errors import NotEmulatedError

_TERM = re.compile(r'\s*([?-]?)("(?:[^"\\]|\\.)*"|[^\s"]+)')
_WORD = re.compile(r"\w+")
_PAGE = 10_000


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto."""
    yield LogsResponse, "filter_log_events", _filter
    yield LogStream, "get_log_events", _excluding_end(LogStream.get_log_events)


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a message matches a filter pattern of terms.

    Args:
        pattern: Words and quoted phrases, of which all must be in the message; with `-` in front
            of one it must not be, and of those with `?` one must be. Case counts.

    Raises:
        NotEmulatedError: It is one for JSON or columns, or a regular expression, or has `?`
            beside others.
    """
    terms: list[tuple[str, str]] = []
    rest = pattern.strip()
    if rest[:1] in {"{", "[", "%"}:
        raise NotEmulatedError(f"a filterPattern other than words and phrases ({rest[:100]})")
    position = 0
    while position < len(rest):
        match = _TERM.match(rest, position)
        if match is None:
            raise InvalidParameterException(msg=f"Invalid filter pattern {rest[:100]!r}")
        sign, term = match.groups()
        if term.startswith('"'):
            term = term[1:-1].replace('\\"', '"')
        elif not _WORD.fullmatch(term):
            raise InvalidParameterException(
                msg=f"Invalid character(s) in term {term[:100]!r}; put it in double quotes"
            )
        terms.append((sign, term))
        position = match.end()
    any_of = [term for sign, term in terms if sign == "?"]
    if any_of and len(any_of) < len(terms):
        raise NotEmulatedError(f"a filterPattern with ? beside other terms ({rest[:100]})")

    def matches(message: str) -> bool:
        if any_of:
            return any(term in message for term in any_of)
        return all((term in message) is (sign != "-") for sign, term in terms)

    return matches


def _filter(self: Any) -> Any:
    names = self._get_param("logStreamNames") or []
    prefix = self._get_param("logStreamNamePrefix")
    if names and prefix:
        raise InvalidParameterException(
            msg="Only one of logStreamNames and logStreamNamePrefix may be given."
        )
    name = self._get_param("logGroupName")
    if name is None:
        raise InvalidParameterException(msg="logGroupName must be given.")
    group = self.logs_backend.groups.get(name)
    if group is None:
        raise ResourceNotFoundException
    is_wanted = matcher(self._get_param("filterPattern") or "")
    start_ms, end_ms = self._get_param("startTime"), self._get_param("endTime")
    found = [
        {**event.to_filter_dict(), "logStreamName": stream.log_stream_name}
        for stream in group.streams.values()
        if not names or stream.log_stream_name in names
        if stream.log_stream_name.startswith(prefix or "")
        for event in stream.events
        if start_ms is None or event.timestamp >= start_ms
        if end_ms is None or event.timestamp <= end_ms
        if is_wanted(event.message)
    ]
    found.sort(key=lambda event: event["timestamp"])
    token = self._get_param("nextToken")
    # The event that ended the page before; of an unknown token AWS has no events.
    ids = [event["eventId"] for event in found]
    start = 0 if token is None else ids.index(token) + 1 if token in ids else len(found)
    end = start + int(self._get_param("limit") or _PAGE)
    answer: dict[str, Any] = {"events": found[start:end], "searchedLogStreams": []}
    if end < len(found):
        answer["nextToken"] = ids[end - 1]
    return json.dumps(answer)


def _excluding_end(read: Callable[..., Any]) -> Callable[..., Any]:
    def events(self: Any, start_time: Any, end_time: Any, *rest: Any, **named: Any) -> Any:
        last = None if end_time is None else int(end_time) - 1
        return read(self, start_time, last, *rest, **named)

    return events
