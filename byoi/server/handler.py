"""The functions of one inference module, called as SageMaker's inference toolkit calls them.

A script that was written for AWS's containers gets the same arguments in the same order, and its
results become the same response.

Sources: sagemaker-inference-toolkit 1.10.1, transformer.py (order, arguments, context, defaults)
and default_inference_handler.py; multi-model-server 1.1.11, protocol/otf_message_handler.py (what
is neither text nor bytes becomes JSON).
"""

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from byoi import errors
from byoi.formats import content_types
from byoi.server import execution_parameters
from byoi.server.context import Context
from byoi.server.settings import BATCH_SIZE_VARIABLE, THREADS_VARIABLE
from byoi.server.streams import Pieces

# Number of arguments of each function, without the context.
ARGUMENTS = {
    "model_fn": 1,
    "input_fn": 2,
    "predict_fn": 2,
    "output_fn": 2,
    "transform_fn": 4,
    "pre_model_fn": 1,
    "model_warmup_fn": 2,
    "ping_fn": 1,
}
_TENSORFLOW_SERVING = ("input_handler", "output_handler", "handler")
_PARTS = ("input_fn", "predict_fn", "output_fn")


class Output(NamedTuple):
    """The output of the functions for one request.

    Attributes:
        body: Body of the response; `Pieces` if the module returns an iterator.
        content_type: Media type of the body; None if the module did not return one.
    """

    body: bytes | str | Pieces
    content_type: str | None


@dataclass(frozen=True)
class Raised:
    """The error of one of several requests, in place of its result."""

    error: BaseException


class Answering(Protocol):
    """The part of `Handler` that the application needs."""

    threads: int
    batch_size: int
    has_ping: bool

    def ping(self, model: Any) -> Any:
        """Return the result of `ping_fn`."""

    def answer(
        self, model: Any, body: bytes, content_type: str, accept: str, context: Context
    ) -> Output:
        """Return the output of the functions for one request."""


class TextBody(str):
    """A text with a `decode` method, for scripts that expect bytes: AWS's toolkit passes bytes."""

    __slots__ = ()

    def decode(self, *_: Any, **__: Any) -> str:
        """Return the text, which the server has decoded already."""
        return str(self)


class Handler:
    """The functions of one inference module, and defaults for those that it does not define.

    Args:
        module: Has some of the functions of `ARGUMENTS`.
        name: Name of the module, for messages.
        batch_size: As `Settings.batch_size`.

    Attributes:
        functions: Names of the functions that the module defines.
        threads: Maximum number of requests that run at once in one process, at least 1:
            `BYOI_THREADS` of the module or, after loading, of the model. Default 1: a model may
            store data that two requests at the same time would mix up.
        batch_size: Maximum number of requests in one call of `predict_fn`, at least 1.
        has_ping: Whether the module defines `ping_fn`.
        execution_parameters: The module's parameters for a batch transform as JSON; "" for none.

    Raises:
        ConfigurationError: The module has functions that exclude each other, lacks one that has
            no default, or one has another number of arguments.
    """

    def __init__(self, module: Any, name: str, *, batch_size: int = 0) -> None:
        self._name = name
        found = {one: function for one in ARGUMENTS if (function := getattr(module, one, None))}
        if "transform_fn" in found and (parts := [one for one in _PARTS if one in found]):
            raise errors.ConfigurationError(
                f"{name} defines transform_fn and {' and '.join(parts)}; transform_fn "
                "replaces input_fn, predict_fn and output_fn: define either transform_fn or these"
            )
        if "model_fn" not in found and any(hasattr(module, one) for one in _TENSORFLOW_SERVING):
            raise errors.ConfigurationError(
                f"{name} is written for AWS's TensorFlow Serving container: "
                f"{', '.join(one for one in _TENSORFLOW_SERVING if hasattr(module, one))}. Here a "
                "module loads its model itself, by model_fn(model_dir), and predicts by "
                "predict_fn(data, model); input_handler becomes input_fn(body, content_type), "
                "output_handler output_fn(prediction, accept)"
            )
        if "model_fn" not in found:
            raise errors.ConfigurationError(
                f"{name} defines no model_fn, which loads the model: def model_fn(model_dir): "
                "return ...; beside it a module may have input_fn, predict_fn, output_fn, or "
                "transform_fn in the place of the three"
            )
        self._functions = {one: self._called(one, function) for one, function in found.items()}
        self.functions = tuple(self._functions)
        self.has_ping = "ping_fn" in found
        self.threads = _threads(module, name)
        self.execution_parameters = execution_parameters.of_module(module, name)
        own_size = _whole(module, name, BATCH_SIZE_VARIABLE, "how many predict_fn takes in a list")
        self.batch_size = batch_size or own_size
        # A module that sets a size expects lists, even if the operator limits the size to 1.
        self._takes_lists = max(batch_size, own_size) > 1
        if self._takes_lists and "predict_fn" not in found:
            raise errors.ConfigurationError(
                f"{BATCH_SIZE_VARIABLE} is {max(batch_size, own_size)}, but {name} defines no "
                "predict_fn, which would get a list of what input_fn returned and return a list; "
                f"define it, or leave {BATCH_SIZE_VARIABLE} out"
            )

    def load(self, model_dir: str) -> Any:
        """Return the model that `model_fn` loads from a directory; its errors are not caught."""
        context = Context(Headers(), model_dir=model_dir)
        if before := self._functions.get("pre_model_fn"):
            before(context, model_dir)
        model = self._functions["model_fn"](context, model_dir)
        if warm_up := self._functions.get("model_warmup_fn"):
            warm_up(context, model_dir, model)
        # Not with getattr: some objects return a value for any name.
        if inspect.getattr_static(model, THREADS_VARIABLE, None) is not None:
            self.threads = _threads(model, self._name)
        if not {"transform_fn", "predict_fn"} & self._functions.keys():
            _require_prediction(model, self._name)
        return model

    def ping(self, model: Any) -> Any:
        """Return the result of `ping_fn`, True without one; its errors are not caught."""
        ping_fn = self._functions.get("ping_fn")
        return True if ping_fn is None else ping_fn(Context(Headers()), model)

    def answer(
        self, model: Any, body: bytes, content_type: str, accept: str, context: Context
    ) -> Output:
        """Return the output of the functions for one request.

        Args:
            model: The result of `load`.
            body: As received. Functions get it decoded if the content type is a text type.
            content_type: As received, "" if there is none.
            accept: As received; the default if the client sent none or accepts anything.
            context: The context of this request.

        Raises:
            RequestError: The body, its content type or the accepted type cannot be served.
            TypeError: The output cannot be the body of a response.
        """
        if transform := self._functions.get("transform_fn"):
            given = _text_or_bytes(body, content_type)
            return self._output(transform(context, model, given, content_type, accept), context)
        data = self.decode(body, content_type, context)
        if self._takes_lists:
            (prediction,) = self._predict_all([data], model, [context])
        else:
            prediction = self._part("predict_fn", _default_predict)(context, data, model)
        return self.encode(prediction, accept, context)

    def decode(self, body: bytes, content_type: str, context: Context) -> Any:
        """Return the result of `input_fn` for a body; arguments as in `answer`."""
        given = _text_or_bytes(body, content_type)
        return self._part("input_fn", _default_input)(context, given, content_type)

    def predict_together(
        self, data: Sequence[Any], model: Any, contexts: Sequence[Context]
    ) -> list[Any]:
        """Predict for several requests with one call of `predict_fn`.

        Args:
            data: The result of `input_fn` for each request.
            model: The result of `load`.
            contexts: The context of each request.

        Returns:
            For each request its prediction, or `Raised`. If the call for all of them fails,
            `predict_fn` is called for each alone, so that none gets the error of another.
        """
        if len(data) > 1:
            try:
                return self._predict_all(data, model, contexts)
            except BaseException:  # noqa: BLE001, S110 - the calls below show which request fails
                pass
        found: list[Any] = []
        for one, context in zip(data, contexts, strict=True):
            try:
                found += self._predict_all([one], model, [context])
            except BaseException as error:  # noqa: BLE001 - the application answers it
                found.append(Raised(error))
        return found

    def _predict_all(
        self, data: Sequence[Any], model: Any, contexts: Sequence[Context]
    ) -> list[Any]:
        predictions = self._functions["predict_fn"](list(contexts), list(data), model)
        try:
            found = list(predictions)
        except TypeError:
            found = []
        if len(found) != len(data):
            raise TypeError(
                f"predict_fn of {self._name} got a list of {len(data)} and returned "
                f"{type(predictions).__name__}"
                + (f" of {len(found)}" if found else "")
                + "; expected as many predictions as it got, in their order"
            )
        return found

    def encode(self, prediction: Any, accept: str, context: Context) -> Output:
        """Return the output of `output_fn` for a prediction; arguments as in `answer`."""
        return self._output(
            self._part("output_fn", _default_output)(context, prediction, accept), context
        )

    def _output(self, result: Any, context: Context) -> Output:
        if isinstance(result, Response):  # from scripts for AWS's older framework
            context.status = result.status_code
            if result.is_streamed:
                return Output(self._to_body(iter(result.response)), result.content_type)
            return Output(result.get_data(), result.content_type)
        if result and isinstance(result, tuple):
            return Output(self._to_body(result[0]), result[1] if len(result) > 1 else None)
        return Output(self._to_body(result), None)

    def _to_body(self, output: Any) -> bytes | str | Pieces:
        """Return the body of a response.

        Raises:
            TypeError: The output is not text or bytes, and cannot be written as JSON.
        """
        if isinstance(output, Iterator):
            pieces = Pieces(output, self._name)
            return b"" if pieces.is_empty else pieces
        return _to_body(output)

    def _part(self, name: str, default: Callable[..., Any]) -> Callable[..., Any]:
        return self._functions.get(name) or default

    def _called(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a wrapper of a function that takes the context as the first argument."""
        if not callable(function):
            raise errors.ConfigurationError(
                f"{name} of {self._name} is {type(function).__name__}, expected a function"
            )
        expected = ARGUMENTS[name]
        parameters = list(inspect.signature(function).parameters.values())
        named = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
        # As in the toolkit, only the number of parameters counts, not their names and defaults.
        if len(parameters) == expected + 1 and not named:
            return lambda context, *arguments: function(*(*arguments, context))
        if len(parameters) == expected + 1 and named == ["context"]:
            return lambda context, *arguments: function(*arguments, context=context)
        try:
            inspect.signature(function).bind(*range(expected))
        except TypeError as error:
            raise errors.ConfigurationError(
                f"{name} of {self._name} takes {inspect.signature(function)}, expected "
                f"{expected} argument{'s' * (expected > 1)}, or one more for the context"
            ) from error
        return lambda _context, *arguments: function(*arguments)


def _threads(module: Any, name: str) -> int:
    return _whole(module, name, THREADS_VARIABLE, "how many requests its functions take at once")


def _whole(module: Any, name: str, variable: str, meaning: str) -> int:
    number = getattr(module, variable, 1)
    if type(number) is not int or not 1 <= number <= 256:
        raise errors.ConfigurationError(
            f"{name} has {variable} = {number!r:.50}, expected a whole number from 1 to 256: "
            f"{meaning}"
        )
    return number


def _text_or_bytes(body: bytes, content_type: str) -> bytes | str:
    """Return a body as the module's functions get it: decoded if its type is a text type."""
    charset = content_types.text_charset(content_type)
    if charset is None:
        return body
    return TextBody(content_types.without_mark(content_types.read_text(body, charset)))


def _to_body(output: Any) -> bytes | str:
    if isinstance(output, bytes | str):
        return output
    if isinstance(output, bytearray):
        return bytes(output)
    try:
        return json.dumps(output, indent=2)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the module returned {type(output).__name__} as a body ({error}); expected bytes, "
            "text, an iterator of them, or what JSON can express, or a tuple of one of them and "
            "its media type"
        ) from error


def _require_prediction(model: Any, name: str) -> None:
    if not callable(getattr(model, "predict", model)):
        raise errors.ConfigurationError(
            f"{name} defines no predict_fn, and its model, a {type(model).__name__}, has no "
            "method predict: def predict_fn(data, model): return ..."
        )


def _default_input(_context: Context, body: bytes | str, content_type: str) -> Any:
    from byoi.formats import numbers  # noqa: PLC0415 - NumPy, for modules that need it

    return numbers.decode(body, content_type)


def _default_predict(_context: Context, data: Any, model: Any) -> Any:
    return model.predict(data) if hasattr(model, "predict") else model(data)


def _default_output(_context: Context, prediction: Any, accept: str) -> Any:
    from byoi.formats import numbers  # noqa: PLC0415 - as above

    return numbers.encode(prediction, accept)
