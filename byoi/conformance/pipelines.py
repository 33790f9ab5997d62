"""Contract 4D: pipelines, multi-container endpoints and inference components."""

import re
from http import HTTPStatus

from byoi.conformance import comparing
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.verdict import Broken, NotApplicable

# RFC 9110, 8.3.1: type "/" subtype, then parameters.
_MEDIA_TYPE = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+\s*(;.*)?")
_ADAPTER = "/adapters/byoi-check-unknown"
_WITHOUT_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


@rule(Kind.PLATFORM)
def pl_01(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A pipeline has 2 to 15 containers; each gets the response of the one before.

    Source: DG inference-pipelines; BC InferenceExecutionConfig.
    """
    return ""


@rule(Kind.PAYLOAD)
def pl_02(case: Case) -> str:
    """A response has a media type, by which the next container of a pipeline reads it.

    RT-16, RT-17 and RT-18 hold for pipelines, too.

    Source: DG inference-pipeline-real-time.
    """
    case.payload()
    answer = comparing.require_success(case)
    found = answer.headers.get("content-type", "")
    if not _MEDIA_TYPE.fullmatch(found.strip()):
        raise Broken(
            f"the response's Content-Type is {found!r}",
            "name its media type, such as application/json: the next container reads it by that",
        )
    return f"the next container gets {found}"


@rule(Kind.PLATFORM)
def pl_03(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A multi-container endpoint asks one container directly, by its host name.

    Source: DG multi-container-direct.
    """
    return ""


@rule(Kind.PLATFORM)
def pl_04(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Either all containers have a host name, or none.

    Source: BC ContainerDefinition.ContainerHostname.
    """
    return ""


@rule(Kind.OURS)
def ic_01(case: Case) -> str:  # noqa: ARG001 - cannot be seen from outside
    """Several copies share an instance: a server keeps to the limits of its control group.

    Proved by tests/byoi/server/test_settings.py (processors) and test_memory.py (memory).

    Source: BC InferenceComponentComputeResourceRequirements.
    """
    return ""


@rule(Kind.PLATFORM)
def ic_02(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A component has limits of its own for the download and for the first /ping.

    Source: BC InferenceComponentStartupParameters.
    """
    return ""


@rule(Kind.PLATFORM)
def ic_03(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Where /ping of a component fails, the instance is not replaced.

    Source: DG your-algorithms-inference-code.
    """
    return ""


@rule(Kind.ANY)
def ic_04(case: Case) -> str:
    """A server with adapters has POST /adapters and DELETE /adapters/{name}.

    Without adapters it has neither, and keeps the rule.

    Source: model-hosting-container-standards, lora.
    """
    answer = case.server().ask("DELETE", _ADAPTER)
    if answer.status in _WITHOUT_ROUTE or not answer.status:
        raise NotApplicable(f"it has no adapters: DELETE {_ADAPTER} gets {answer.shown}")
    return f"DELETE of an adapter that it does not know gets {answer.status}"
