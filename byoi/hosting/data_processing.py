"""What a batch transform does to its records: filter the input, join, filter the output.

Sources: API DataProcessing; DG batch-transform-data-processing (formats, JSONPath operators, the
attributes SageMakerInput and SageMakerOutput). The words of AWS's refusals: issue 184 of
github.com/aws/aws-sdk (a character that no operator has), issue 1112 of
github.com/aws/sagemaker-python-sdk (several ranges), issue 821 of
github.com/aws/amazon-sagemaker-examples (an answer that is no CSV).
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from jsonpath_ng import jsonpath
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.parser import parse

from byoi import errors

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
_KINDS = (CSV, JSON, JSON_LINES)
INPUT_KEY, OUTPUT_KEY = "SageMakerInput", "SageMakerOutput"
# API DataProcessing, InputFilter and OutputFilter.
_FILTER_CHARACTERS = 63
# In the order of AWS's message.
_OPERATORS = "$[]*. ,:-'"

_STEPS = jsonpath.Fields | jsonpath.Index | jsonpath.Slice | jsonpath.Wildcard

Select = Callable[[Any], Any]


class DataProcessing:
    """The filters and the join of one batch transform."""

    def __init__(
        self, wanted: Mapping[str, str], transform_input: Mapping[str, Any], accept: str | None
    ) -> None:
        """Check what is wanted; nothing is read yet.

        Args:
            wanted: API DataProcessing.
            transform_input: API TransformInput.
            accept: API TransformOutput, Accept.

        Raises:
            ConfigurationError: The formats are none that AWS filters or joins.
            ClientError: ValidationException, a filter is none that AWS takes.
        """
        self.is_joined = wanted.get("JoinSource") == "Input"
        self._kind = _kind(transform_input.get("ContentType"))
        answered = _kind(accept)
        filters = {name: wanted.get(name) or "$" for name in ("InputFilter", "OutputFilter")}
        self.is_idle = not self.is_joined and set(filters.values()) == {"$"}
        if self.is_idle:
            return
        if self._kind not in _KINDS or (accept and answered not in _KINDS):
            raise errors.ConfigurationError(
                f"DataProcessing (input_filter, output_filter, join_source) takes "
                f"{', '.join(_KINDS)} as content_type and as accept, received "
                f"content_type={self._kind!r} and accept={accept!r}; AWS takes no other either"
            )
        if self._kind == CSV and transform_input.get("SplitType") != "Line":
            raise errors.ConfigurationError(
                "DataProcessing of text/csv needs its records one a line, as on AWS; "
                'call transform(..., split_type="Line")'
            )
        if self.is_joined and accept and (self._kind == CSV) != (answered == CSV):
            raise errors.ConfigurationError(
                f"join_source='Input' joins records and answers of the same kind, received "
                f"content_type={self._kind!r} and accept={accept!r}; "
                f"make the Transformer with accept={self._kind!r}"
            )
        joined = self._kind if self.is_joined else answered
        self._select_input = parse_filter("InputFilter", filters["InputFilter"], self._kind)
        self._select_output = parse_filter("OutputFilter", filters["OutputFilter"], joined)
        self._is_input_whole = filters["InputFilter"] == "$"

    def prepare(self, record: bytes) -> tuple[list[Any], bytes]:
        """Return the values of a record, or of a whole file, and what is sent for them.

        Args:
            record: One line with its end, or everything.

        Raises:
            JobFailedError: It is not of the content type, or has nothing at the filter's path.
        """
        values = _parse(record, self._kind)
        if self._is_input_whole:
            return values, record
        return values, _format([self._select_input(value) for value in values], self._kind)

    def finish(self, values: Sequence[Any], answer: bytes, content_type: str) -> bytes:
        """Return what is written for one answer; each record ends with a newline.

        Args:
            values: Of the records that were sent, as `prepare` returned them.
            answer: The container's.
            content_type: The container's.

        Raises:
            JobFailedError: The answer cannot be read, or its records are not as many as the
                ones that were sent, or it has nothing at the filter's path.
        """
        kind = _kind(content_type)
        if self.is_joined and self._kind == CSV and kind != CSV:
            raise errors.JobFailedError(
                f"Failed to parse output from the algorithm as CSV: its content type is "
                f"{content_type!r}; make the Transformer with accept='text/csv'"
            )
        if kind not in _KINDS or (self.is_joined and (self._kind == CSV) != (kind == CSV)):
            raise errors.JobFailedError(
                f"the container answered with {content_type!r}, which cannot be filtered or joined "
                f"to {self._kind}; make the Transformer with accept={self._kind!r}"
            )
        answers = _parse(answer, kind)
        if self.is_joined:
            if len(answers) != len(values):
                raise errors.JobFailedError(
                    f"join_source='Input' needs one answer for each record; {len(values)} were "
                    f"sent at once and {len(answers)} of {content_type} came back; make the "
                    f'Transformer with strategy="SingleRecord", or with accept={JSON_LINES!r}'
                )
            kind = self._kind
            pairs = zip(values, answers, strict=True)
            answers = [_join(value, made, kind) for value, made in pairs]
        return _format([self._select_output(value) for value in answers], kind)


def parse_filter(name: str, text: str, kind: str | None) -> Select:
    """Return the function that selects what a JSONPath of AWS's subset leads to.

    `$`, `.name`, `*`, `['name', 'name']`, `[0, -1]` and `[1:]`. One name or index gives its value,
    several names an object, several indexes, a range and `*` a list.

    Args:
        name: InputFilter or OutputFilter, for messages.
        text: The path.
        kind: The content type of what it selects from; None where only the answer will tell.

    Raises:
        ClientError: ValidationException, it is not of that subset.
    """
    _check_characters(name, text, kind)
    try:
        steps = _steps(parse(text))
    except JSONPathError as error:
        if ":" in text and "," in text:
            raise _invalid(
                f"Invalid JsonPath: {text}: only single range filters of format (eg: [1:5]) are "
                "supported; name each index, such as $[0,1,-1]"
            ) from error
        raise _invalid(f'Invalid {name}: "{text}" is not a JSONPath: {error}') from error
    for step in steps:
        _check_step(step, f'Invalid {name}: "{text}"', kind)

    def select(value: Any) -> Any:
        found, are_several = [value], False
        for step in steps:
            try:
                taken = [_take(step, one) for one in found]
            except (IndexError, KeyError, TypeError) as error:
                raise errors.JobFailedError(
                    f"{name} {text!r} leads to nothing in the record {_excerpt(value)}"
                ) from error
            if _takes_several(step):
                found, are_several = [one for several in taken for one in several], True
            else:
                found = taken
        return found if are_several else found[0]

    return select


def _check_characters(name: str, text: str, kind: str | None) -> None:
    if len(text) > _FILTER_CHARACTERS:
        raise _invalid(
            f"1 validation error detected: Value '{text}' at "
            f"'dataProcessing.{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member "
            f"must have length less than or equal to {_FILTER_CHARACTERS}"
        )
    for character in text:
        if not (character.isascii() and character.isalnum()) and character not in _OPERATORS:
            supported = ", ".join(f"'{operator}'" for operator in _OPERATORS)
            raise _invalid(
                f'Invalid {name}: "{text}". Unexpected "{character}" in JsonPath. Supported '
                f'operators for "{kind or JSON}" are [{supported}]'
            )
    if not text.startswith("$"):
        raise _invalid(f'Invalid {name}: "{text}": a JSONPath begins with $, the whole record')


def _check_step(step: Any, refusal: str, kind: str | None) -> None:
    if not isinstance(step, _STEPS):
        raise _invalid(
            f"{refusal}: AWS takes the operators $, .name, *, ['name'], [0] and [1:] only"
        )
    if isinstance(step, jsonpath.Slice) and (step.end is not None or step.step is not None):
        raise _invalid(
            f"{refusal}: AWS's documents disagree whether the end of a range belongs to it, so it "
            "is not guessed here; leave the end out ($[1:]), or name each index ($[0,1,2])"
        )
    if kind == CSV and isinstance(step, jsonpath.Fields):
        raise _invalid(
            f"{refusal}: for CSV data, each row is taken as a JSON array, so only index based "
            "JSONPaths can be applied, e.g. $[0], $[1:]"
        )


def _steps(node: Any) -> list[Any]:
    """Return the steps of a parsed path after its `$`."""
    if isinstance(node, jsonpath.Child):
        return [*_steps(node.left), *_steps(node.right)]
    return [] if isinstance(node, jsonpath.Root) else [node]


def _takes_several(step: Any) -> bool:
    if isinstance(step, jsonpath.Index):
        return len(step.indices) > 1
    return isinstance(step, jsonpath.Slice | jsonpath.Wildcard)


def _take(step: Any, value: Any) -> Any:
    """Return what a step leads to from one value; a list where it takes several."""
    if isinstance(step, jsonpath.Wildcard):
        return list(value.values()) if isinstance(value, dict) else list(_a_list(value))
    if isinstance(step, jsonpath.Slice):
        return _a_list(value)[step.start :]
    if isinstance(step, jsonpath.Index):
        found = [_a_list(value)[index] for index in step.indices]
        return found if len(found) > 1 else found[0]
    if not isinstance(value, dict):
        raise TypeError
    found_names = {name: value[name] for name in step.fields}
    return found_names if len(found_names) > 1 else found_names[step.fields[0]]


def _a_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _kind(content_type: str | None) -> str | None:
    """Return a media type without its parameters; None if there is none."""
    return content_type.partition(";")[0].strip().lower() if content_type else None


def _join(value: Any, answer: Any, kind: str | None) -> Any:
    if kind == CSV:
        return [*value, *answer]
    if isinstance(value, dict):
        return {**value, OUTPUT_KEY: answer}
    return {INPUT_KEY: value, OUTPUT_KEY: answer}


def _parse(body: bytes, kind: str | None) -> list[Any]:
    """Return the values of a body: rows of strings of CSV, values of JSON."""
    try:
        text = body.decode("utf-8-sig")
        if kind == JSON:
            return [json.loads(text)]
        lines = [line for line in text.split("\n") if line.strip()]
        if kind == JSON_LINES:
            return [json.loads(line) for line in lines]
        # A line at a time: on AWS, no field has a newline in it.
        return [next(csv.reader([line.rstrip("\r")], strict=True)) for line in lines]
    except (ValueError, RecursionError, csv.Error) as error:
        raise errors.JobFailedError(
            f"not {kind} of UTF-8: {_excerpt(body.decode(errors='replace'))}; {error}"
        ) from error


def _format(values: Sequence[Any], kind: str | None) -> bytes:
    if kind == CSV:
        text = io.StringIO()
        rows = [value if isinstance(value, list) else [value] for value in values]
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()
    lines = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    return "".join(f"{line}\n" for line in lines).encode()


def _excerpt(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _invalid(message: str) -> ClientError:
    details = {"Code": "ValidationException", "Message": message}
    return ClientError({"Error": details}, "CreateTransformJob")
