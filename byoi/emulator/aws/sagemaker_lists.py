"""ListModels, ListEndpointConfigs and ListEndpoints with all their parameters.

moto's ListModels has none, and its others sort in the order of creation where AWS's do in the
opposite one: a clean-up that asks for the names that contain its own must get no others.

Sources: API ListModels, ListEndpointConfigs, ListEndpoints (newest first, `CreationTime` unless
`SortBy` says otherwise; MaxResults of ListEndpoints "defaults to 10", of the others it is taken
to be the same). Whether NameContains regards case is not documented; it does here.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

_PAGE = 10


@dataclass(frozen=True)
class _List:
    """One of the lists.

    Attributes:
        noun: What it lists.
        records: Returns moto's records from its backend.
        members: Members of a summary, and the record's attributes.
    """

    noun: str
    records: Callable[[Any], Sequence[Any]]
    members: dict[str, str]


_LISTS = {
    "list_models": _List(
        "Model",
        lambda backend: list(backend._models.values()),  # noqa: SLF001 - moto has no other
        {"ModelName": "model_name", "ModelArn": "arn", "CreationTime": "creation_time"},
    ),
    "list_endpoint_configs": _List(
        "EndpointConfig",
        lambda backend: list(backend.endpoint_configs.values()),
        {
            "EndpointConfigName": "endpoint_config_name",
            "EndpointConfigArn": "endpoint_config_arn",
            "CreationTime": "creation_time",
        },
    ),
    "list_endpoints": _List(
        "Endpoint",
        lambda backend: list(backend.endpoints.values()),
        {
            "EndpointName": "endpoint_name",
            "EndpointArn": "arn",
            "CreationTime": "creation_time",
            "LastModifiedTime": "last_modified_time",
            "EndpointStatus": "endpoint_status",
        },
    ),
}


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto."""
    for name, one in _LISTS.items():
        yield SageMakerResponse, name, _answering(one)


def _answering(listed: _List) -> Callable[[Any], ActionResult]:
    def answered(self: Any) -> ActionResult:
        summaries = [
            {name: getattr(record, attribute) for name, attribute in listed.members.items()}
            for record in listed.records(self.sagemaker_backend)
        ]
        found = [one for one in summaries if _is_asked_for(listed.noun, one, self._get_param)]
        by = self._get_param("SortBy") or "CreationTime"
        key = {"Name": f"{listed.noun}Name", "Status": f"{listed.noun}Status"}.get(by, by)
        # Of two with the same time, the one that was recorded later is the newer one.
        found.sort(key=lambda one: one[key])
        if (self._get_param("SortOrder") or "Descending") == "Descending":
            found.reverse()
        asked = {
            name: str(self._get_param(name))
            for name in (*_FILTERS, "NameContains", "StatusEquals", "SortBy", "SortOrder")
        }
        start = _start(self._get_param("NextToken"), asked)
        end = start + int(self._get_param("MaxResults") or _PAGE)
        answer: dict[str, Any] = {f"{listed.noun}s": found[start:end]}
        if end < len(found):
            answer["NextToken"] = _token(end, asked)
        return ActionResult(answer)

    return answered


# Parameter to the member it is compared with, and whether that has to be later.
_FILTERS = {
    "CreationTimeAfter": ("CreationTime", True),
    "CreationTimeBefore": ("CreationTime", False),
    "LastModifiedTimeAfter": ("LastModifiedTime", True),
    "LastModifiedTimeBefore": ("LastModifiedTime", False),
}


def _is_asked_for(noun: str, one: dict[str, Any], parameter: Callable[[str], Any]) -> bool:
    if (parameter("NameContains") or "") not in one[f"{noun}Name"]:
        return False
    status = parameter("StatusEquals")
    if status and one[f"{noun}Status"] != status:
        return False
    for name, (member, is_later) in _FILTERS.items():
        limit = parameter(name)
        if limit is None:
            continue
        if one[member] <= limit if is_later else one[member] >= limit:
            return False
    return True


def _token(position: int, asked: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([position, asked]).encode()).decode()


def _start(token: str | None, asked: dict[str, str]) -> int:
    """Return the position that a token names, 0 without one."""
    if token is None:
        return 0
    try:
        position, before = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError):
        position, before = -1, None
    if before != asked:
        raise ValidationError("NextToken is not one that this list gave for these parameters.")
    return int(position)
