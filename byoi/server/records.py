"""The records of a batch transform: errors in place of bad records, and the end of an answer.

The platform sends the lines of a file, joins the answers to a file with as many lines, and drops
the whole file if one answer is an error. If the operator or the inference module asks for it, the
answer has an error in place of a bad record instead.

Sources: SageMaker Developer Guide, batch-transform and batch-transform-errors (a placeholder keeps
the order); API TransformOutput (`AssembleWith`: Line puts a line break behind each answer).
"""

import json
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from byoi import contract, errors
from byoi.formats import content_types
from byoi.server import statuses
from byoi.server.context import Context
from byoi.server.handler import Handler, Output
from byoi.server.streams import Pieces

ERRORS_VARIABLE = "BYOI_TRANSFORM_RECORD_ERRORS"
# A line of CSV or of another text that takes the place of a bad record.
PLACEHOLDER = "ERROR"
_LINES = {content_types.CSV, content_types.JSON_LINES}

# After this many failed records without any answer, the module counts as failed.
_ENOUGH = 16

_log = logging.getLogger(__name__)


def are_errors_asked(module: Any, name: str) -> bool:
    """Whether a module asks for an error in place of a bad record.

    Args:
        module: May have `BYOI_TRANSFORM_RECORD_ERRORS = True`.
        name: Name of the module, for messages.

    Raises:
        ConfigurationError: The value is neither True nor False.
    """
    asked = getattr(module, ERRORS_VARIABLE, False)
    if not isinstance(asked, bool):
        raise errors.ConfigurationError(
            f"{name} has {ERRORS_VARIABLE} = {asked!r:.50}, expected True or False: whether a bad "
            "record of a batch transform becomes an error in its place"
        )
    return asked


def whole(output: Output) -> Output:
    """Return an output whose body is one piece.

    A transform waits for the last piece anyway; this way an error can still set the status.
    """
    if isinstance(output.body, Pieces):
        return Output(b"".join(output.body), output.content_type)
    return output


def with_end(body: bytes, content_type: str, *, has_line_end: bool) -> bytes:
    """Return a text body with or without a line break after its last record.

    Args:
        body: Body of an answer.
        content_type: Media type of the answer; a body that is not text is not changed.
        has_line_end: True adds a line break, so that answers can be joined as they are
            (`AssembleWith` None). False removes it, because `AssembleWith` Line adds one to each
            answer, and a second one would be an empty record.
    """
    try:
        charset = content_types.text_charset(content_type)
    except errors.UnsupportedContentType:
        return body
    if not body or charset is None or charset.startswith("utf-16"):
        return body
    if has_line_end:
        return body if body.endswith(b"\n") else body + b"\n"
    return body.removesuffix(b"\n")


class _Bad(NamedTuple):
    """A record without an answer."""

    error: Exception

    def shown(self) -> dict[str, str]:
        """Return the JSON error in its place; the text of an unexpected error is only logged."""
        name, message = type(self.error).__name__, "the log has the cause"
        if not statuses.is_unexpected(self.error):
            message = str(getattr(self.error, "message", "") or self.error)
        return {"error": name, "message": message[: contract.ERROR_MESSAGE_CHARACTERS]}


class _NotOneEachError(Exception):
    """The answer does not have one line, or one list element, for each record."""


class RecordHandler(Handler):
    """A handler that replaces bad records by errors and answers the other records.

    A record is bad if a function refuses it with status 400, or raises an unexpected error for it
    but answers another record. If the module answers no record because of unexpected errors, the
    whole request fails. Records are the lines of CSV and JSON Lines; any other body is one record.
    If a body fails, its halves are sent to the functions, and so on: they get records repeatedly.

    Attributes:
        batch_size: 1: requests with many records are not combined.
    """

    def __init__(self, module: Any, name: str, *, batch_size: int = 0) -> None:
        super().__init__(module, name, batch_size=batch_size)
        self.batch_size = 1

    def answer(
        self, model: Any, body: bytes, content_type: str, accept: str, context: Context
    ) -> Output:
        """Return the output for a request; arguments and errors as `Handler.answer`."""
        try:
            return whole(super().answer(model, body, content_type, accept, context))
        except Exception as error:
            records = _split(body, content_type)
            if not _may_be_a_records(error, len(records)):
                raise
            refusal = error
        request = _Request(self, model, content_type, accept, context)
        try:
            found = request.answers(records, refusal)
            output = request.joined(found)
        except _NotOneEachError as cause:
            _tell(context, f"no record has an error in its place: {cause}")
            raise refusal from None
        self._report(context, found)
        return output

    def whole_answer(
        self, model: Any, body: bytes, content_type: str, accept: str, context: Context
    ) -> Output:
        """Return the answer to some records; an error of any of them is raised."""
        return whole(super().answer(model, body, content_type, accept, context))

    @staticmethod
    def _report(context: Context, found: Sequence[Any]) -> None:
        """Log how many records have an error in their place, and the error of the first."""
        places = [place for place, one in enumerate(found) if isinstance(one, _Bad)]
        if not places:
            return
        error = found[places[0]].error
        _tell(
            context,
            f"{len(places)} of {len(found)} records have an error in their place; the first is "
            f"record {places[0] + 1}: {type(error).__name__}: {error}",
            error if statuses.is_unexpected(error) else None,
        )


class _Request:
    """A request whose records are answered in parts; arguments as those of `Handler.answer`."""

    def __init__(
        self, handler: RecordHandler, model: Any, content_type: str, accept: str, context: Context
    ) -> None:
        self._handler = handler
        self._model = model
        self._content_type = content_type
        self._accept = accept
        self._context = context
        # The latest answer, the JSON key around its list, and the errors of records that failed
        # alone.
        self._answer: Output | None = None
        self._key: str | None = None
        self._unexpected: list[Exception] = []

    def _halves(self, records: Sequence[bytes]) -> list[Any]:
        """Return the answer to each of several records, or `_Bad`, by answering two halves.

        Raises:
            _NotOneEachError: The answer cannot be split into one for each record.
        """
        middle = len(records) // 2
        return self._part(records[:middle]) + self._part(records[middle:])

    def answers(self, records: Sequence[bytes], refusal: Exception) -> list[Any]:
        """Return the answer to each record, or `_Bad`.

        Args:
            records: The records of the request.
            refusal: The error of the request as a whole.

        Raises:
            _NotOneEachError: As `_halves`.
            Exception: No record has an answer, and at least one raised an unexpected error.
        """
        if len(records) == 1:
            return [_Bad(refusal)]
        found = self._halves(records)
        if self._answer is None and self._unexpected:
            raise self._unexpected[0]
        return found

    def _part(self, records: Sequence[bytes]) -> list[Any]:
        # A single record is sent twice in one body: some decoders give one row another shape.
        asked = list(records) * (1 + (len(records) == 1))
        body = b"\n".join(asked)
        try:
            output = self._handler.whole_answer(
                self._model, body, self._content_type, self._accept, self._context
            )
        except Exception as error:
            if statuses.is_unexpected(error):
                self._unexpected += [error] * (len(records) == 1)
                if self._answer is None and len(self._unexpected) >= _ENOUGH:
                    raise
            elif not statuses.is_bad_record(error):
                raise
            return self._halves(records) if len(records) > 1 else [_Bad(error)]
        self._answer = output
        return self._each(output, len(asked))[: len(records)]

    def _each(self, output: Output, count: int) -> list[Any]:
        """Return the answer to each record: a line of text, or a value of JSON."""
        body = _text(output)
        expected = f"{count} lines"
        if self._form() == content_types.JSON:
            expected = f"a JSON list of {count} elements"
            found = json.loads(body)
            if isinstance(found, dict) and len(found) == 1:
                ((self._key, found),) = found.items()
        else:
            found = body.removesuffix("\n").split("\n")
        if not isinstance(found, list) or len(found) != count:
            received = len(found) if isinstance(found, list) else "no list"
            raise _NotOneEachError(
                f"the answer to {count} records must be {expected}, received {received}"
            )
        return found

    def joined(self, found: Sequence[Any]) -> Output:
        """Return the output with all answers, in their order.

        Raises:
            _NotOneEachError: The wanted media type has no place for an error.
        """
        form = self._form()
        named = self._answer.content_type if self._answer else self._media_type()
        if form == content_types.JSON:
            values = [one.shown() if isinstance(one, _Bad) else one for one in found]
            content: Any = {self._key: values} if self._key else values
            # The whole body was one record.
            is_one = self._answer is None and len(values) == 1
            return Output(json.dumps(values[0] if is_one else content), named)
        if form == content_types.JSON_LINES:
            lines = [json.dumps(one.shown()) if isinstance(one, _Bad) else one for one in found]
        else:
            lines = [PLACEHOLDER if isinstance(one, _Bad) else one for one in found]
        return Output("\n".join(lines), named)

    def _media_type(self) -> str:
        """Return the media type of the answer."""
        if self._answer is not None and self._answer.content_type:
            return self._answer.content_type
        try:
            return content_types.negotiate(self._accept)
        except errors.NotAcceptable:
            return self._accept

    def _form(self) -> str:
        """Return the format of an error in the answer: JSON, JSON Lines, or CSV for any text."""
        media_type = content_types.usual_name(self._media_type().partition(";")[0].strip().lower())
        if media_type in {content_types.JSON, content_types.JSON_LINES}:
            return media_type
        if media_type.startswith("text/"):
            return content_types.CSV
        raise _NotOneEachError(
            f"a response of type {media_type} cannot contain an error in place of a record"
        )


def _may_be_a_records(error: Exception, count: int) -> bool:
    """Whether one record may have caused an error; an unexpected one only if there are others."""
    return statuses.is_bad_record(error) or (count > 1 and statuses.is_unexpected(error))


def _tell(context: Context, message: str, error: Exception | None = None) -> None:
    _log.warning("%s", message, exc_info=error, extra={"request_id": context.get_request_id()})


def _text(output: Output) -> str:
    """Return the body of an output as text.

    Raises:
        _NotOneEachError: The body is not text.
    """
    if isinstance(output.body, str):
        return output.body
    try:
        return output.body.decode() if isinstance(output.body, bytes) else ""  # never in pieces
    except UnicodeDecodeError:
        raise _NotOneEachError("the answer is not text in UTF-8") from None


def _split(body: bytes, content_type: str) -> list[bytes]:
    """Return the records of a body: the lines of CSV and JSON Lines, else the whole body.

    Blank lines are ignored, as by the decoders. A line break inside a quoted field of CSV ends a
    record here, as it does for the platform.
    """
    try:
        media_type, charset = content_types.parse(content_type)
    except errors.UnsupportedContentType:
        return [body]
    if media_type not in _LINES or charset.startswith("utf-16"):
        return [body]
    return [line for line in body.split(b"\n") if line.strip()]
