"""Every deliberate error of `byoi` and `byoi_lib`.

* ByoiError
  * RequestError                 the client's request cannot be served
    * UnsupportedContentType
    * UnsupportedContentEncoding
    * NotAcceptable
    * MalformedBody
    * TooManyInstances
  * DatasetError                 the training data cannot be used
  * ModelDataError               the model directory or archive cannot be used
  * ModuleFailed                 the inference module, as it was saved last, does not load
  * ConfigurationError           a setting or argument cannot be used
  * MissingProgramError          a program this step needs is not installed
  * MissingPackageError          a Python package this step needs is not installed
  * RegistryError                an image cannot be pushed, or SageMaker would refuse it
  * HostingError                 an endpoint could not be created, reached or deleted
    * EndpointFailedError        an endpoint started and did not become healthy
    * EngineRefusedError         the container engine answered with an error
    * InvocationError            an endpoint answered with an error status
    * JobFailedError             a training or batch transform job failed

No class knows the server's HTTP statuses; `byoi.server.statuses` maps classes to them.
A message says what was received, what was expected, and the way out.
"""

from pathlib import Path

from byoi import terminal


class ByoiError(Exception):
    """Base of every deliberate error; its text is safe to print, whoever wrote a part of it."""

    def __str__(self) -> str:
        """Return the message, with control characters shown."""
        return terminal.escape(super().__str__())


class RequestError(ByoiError):
    """The invocation cannot be served as sent; sending it again unchanged fails again."""


class UnsupportedContentType(RequestError):  # noqa: N818 - named after the condition, as in HTTP
    """No decoder exists for the Content-Type."""


class UnsupportedContentEncoding(RequestError):  # noqa: N818 - named after the condition
    """The body is compressed, and the server reads bodies as they are."""


class NotAcceptable(RequestError):  # noqa: N818 - named after the condition, as in HTTP
    """No encoder exists for the Accept header."""


class MalformedBody(RequestError):  # noqa: N818 - named after the condition, as in HTTP
    """The body cannot be parsed as its Content-Type, or is not an input of the model."""


class TooManyInstances(RequestError):  # noqa: N818 - named after the condition
    """One request has more instances than the server's limit, `BYOI_INSTANCES_LIMIT`."""


class DatasetError(ByoiError):
    """The training data is missing, unsafe or inconsistent."""


class ModelDataError(ByoiError):
    """The model directory lacks a file, or its files disagree with each other."""


class ModuleFailed(ByoiError):  # noqa: N818 - named after the condition
    """The inference module was changed while the server runs, and does not load."""


class ConfigurationError(ByoiError):
    """A setting, variable or argument has a value that cannot be used."""


class MissingProgramError(ByoiError):
    """A program that this step needs is not on PATH or does not answer."""


class MissingPackageError(ByoiError):
    """A Python package that this step needs is not installed; the message names its extra."""


class RegistryError(ByoiError):
    """An image could not be read back from its registry, or SageMaker would refuse it."""


class HostingError(ByoiError):
    """An endpoint could not be created, reached or deleted."""


class EndpointFailedError(HostingError):
    """The endpoint's container exited or never became healthy; the message has its log."""


class EngineRefusedError(HostingError):
    """The container engine answered a question with an error; the message is its reason.

    Attributes:
        is_absent: Whether the engine has no such image, container or network.
    """

    def __init__(self, reason: str, *, is_absent: bool = False) -> None:
        super().__init__(reason)
        self.is_absent = is_absent


class InvocationError(HostingError):
    """The endpoint answered an invocation with an error status.

    Attributes:
        status: HTTP status, 400 to 599; None if the SDK's local mode lost it.
        body: Response body as text.
    """

    def __init__(self, status: int | None, body: str) -> None:
        answer = "an error" if status is None else f"status {status}"
        super().__init__(f"the endpoint answered with {answer}: {body}")
        self.status = status
        self.body = body


class JobFailedError(HostingError):
    """A training or batch transform job failed; the message has the container's reason."""


def refusal(path: Path, cause: str, remedy: str) -> ModelDataError:
    """Return the error that names file, cause and remedy in one line."""
    return ModelDataError(" ".join(f"{path}: {cause}; {remedy}".split()))
