"""Errors of calls that the emulator refuses, in the form in which moto answers its own."""

from moto.core.exceptions import ServiceException

from byoi.emulator import refusals


class RefusedError(ServiceException):
    """The call is refused; the message gives the reason."""

    code = refusals.CODE


class NotEmulatedError(RefusedError):
    """The call asks for something that is not emulated."""

    def __init__(self, what: str) -> None:
        super().__init__(refusals.message(what))


class TemplateError(ServiceException):
    """CloudFormation's ValidationError, also about a template and what is asked of a stack."""

    code = "ValidationError"


class ResourceFailedError(ServiceException):
    """CloudFormation could not create or update a resource of a stack."""

    code = "ResourceFailed"
