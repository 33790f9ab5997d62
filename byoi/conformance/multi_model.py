"""Contract 3: multi-model endpoints."""

import json
import secrets
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from byoi import contract
from byoi.conformance import comparing
from byoi.conformance.case import Case
from byoi.conformance.comparing import is_success
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer, Server
from byoi.conformance.verdict import Broken, NotApplicable, NotTested

_LABEL = "com.amazonaws.sagemaker.capabilities.multi-models"
_MODELS = "/models"
_JSON = "application/json"
# Directory of one model's data, as on the platform.
_MODEL_DIR = Path("/opt/ml/models/checked/model")
_ENVIRONMENT = {"SAGEMAKER_MULTI_MODEL": "true"}
_LOADED = "checked"
# More than most servers have workers.
_CONNECTIONS = 20
_WORKERS = 5
_LOAD_LIMIT_S = 360.0
_MODELS_AT_ONCE = 20
_LOADING_S = 20.0


def _require(case: Case) -> None:
    if not case.given.is_multi_model:
        raise NotApplicable("it is checked for one model: --multi-model")


def _server(case: Case) -> Server:
    """Return a server without a model.

    Raises:
        NotApplicable: The user has not asked for these rules.
        NotTested: It does not become healthy; MM-03 reports the cause.
    """
    _require(case)
    try:
        return case.kept(environment=_ENVIRONMENT, model_dir=_MODEL_DIR)
    except Broken as broken:
        raise NotTested("fix MM-03 first: the server is not healthy") from broken


def _load(server: Server, name: str) -> Answer:
    body = json.dumps({"model_name": name, "url": str(_MODEL_DIR)}).encode()
    return server.ask("POST", _MODELS, body, {"Content-Type": _JSON}, timeout_s=_LOAD_LIMIT_S + 10)


def _unload(server: Server, name: str) -> Answer:
    return server.ask("DELETE", f"{_MODELS}/{name}")


def _loaded(case: Case, name: str = _LOADED) -> Server:
    """Return a server with a model loaded.

    Raises:
        NotTested: The server cannot load the model.
    """
    server = _server(case)
    answer = _load(server, name)
    if not is_success(answer) and answer.status != HTTPStatus.CONFLICT:
        raise NotTested(f"fix MM-04 first: loading a model gets {answer.shown}")
    return server


def _expect(answer: Answer, status: int, named: str, remedy: str) -> str:
    if answer.status != status:
        shown = answer.text[:120]
        raise Broken(f"{named} gets {answer.shown} instead of {status}: {shown}", remedy)
    return f"{named}: {status}"


def _content(answer: Answer, named: str) -> dict[str, Any]:
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    if not is_success(answer) or not isinstance(content, dict):
        shown = answer.text[:120]
        raise Broken(f"{named} gets {answer.shown}: {shown}", "answer 200 and a JSON object")
    return content


@rule(Kind.ANY)
def mm_01(case: Case) -> str:
    """The image has the label com.amazonaws.sagemaker.capabilities.multi-models=true.

    Source: DG build-multi-model-build-container.
    """
    _require(case)
    return _labelled(case, f"{_LABEL}=true")


@rule(Kind.ANY)
def mm_02(case: Case) -> str:
    """For a pipeline the image has the label `accept-bind-to-port=true` of the same name space.

    Source: DG build-multi-model-build-container.
    """
    _require(case)
    return _labelled(case, contract.BIND_TO_PORT_LABEL)


def _labelled(case: Case, label: str) -> str:
    name, _, value = label.partition("=")
    labels = (case.subject.described().get("Config") or {}).get("Labels") or {}
    found = labels.get(name)
    if found != value:
        raise Broken(f"the label {name} is {found!r}", f"add to the Dockerfile: LABEL {label}")
    return label


@rule(Kind.ANY)
def mm_03(case: Case) -> str:
    """With SAGEMAKER_MULTI_MODEL=true the server starts without a model, and is healthy.

    Source: DG build-multi-model-build-container.
    """
    _require(case)
    server = case.kept(environment=_ENVIRONMENT, model_dir=_MODEL_DIR)
    return _expect(
        server.ping(), 200, "/ping without a model", "be healthy before a model is loaded"
    )


@rule(Kind.ANY)
def mm_04(case: Case) -> str:
    """POST /models loads a model, and answers 2xx when it can be asked.

    Source: DG mms-container-apis.
    """
    server = _server(case)
    name = secrets.token_hex(8)
    answer = _load(server, name)
    _unload(server, name)
    if not is_success(answer):
        shown = answer.text[:120]
        raise Broken(
            f"POST /models gets {answer.shown}: {shown}",
            'load what {"model_name": ..., "url": ...} names, and answer 200',
        )
    return f"{answer.status} after {answer.seconds:.1f} s"


@rule(Kind.ANY)
def mm_05(case: Case) -> str:
    """Loading a name that is loaded already is answered with 409.

    Source: DG mms-container-apis.
    """
    server = _loaded(case)
    return _expect(_load(server, _LOADED), 409, "loading it again", "answer 409, and keep it")


@rule(Kind.ANY)
def mm_06(case: Case) -> str:
    """Where memory does not suffice for a model, POST /models is answered with 507.

    Seen from outside: models are loaded until one is refused, or for some seconds.

    Source: DG mms-container-apis.
    """
    _server(case)
    started_s = time.monotonic()
    with case.launched(environment=_ENVIRONMENT, model_dir=_MODEL_DIR) as server:
        for number in range(_MODELS_AT_ONCE):
            answer = _load(server, f"model-{number}")
            if not is_success(answer) or time.monotonic() - started_s > _LOADING_S:
                break
    if not is_success(answer) and not number:
        raise NotTested(f"fix MM-04 first: loading a model gets {answer.shown}")
    if is_success(answer):
        raise NotTested(
            f"give an instance type whose memory is soon full, --instance-type: {number + 1} "
            "models fit"
        )
    if answer.status != HTTPStatus.INSUFFICIENT_STORAGE:
        raise Broken(
            f"after {number} models the next one gets {answer.shown} instead of 507",
            "answer 507 where a model does not fit: the platform then unloads others",
        )
    return f"{answer.status} after {number} models"


@rule(Kind.ANY)
def mm_07(case: Case) -> str:
    """GET /models lists the models that are loaded, as modelName and modelUrl.

    Source: DG mms-container-apis. AWS's TensorFlow container has a dictionary by name instead,
    which is taken.
    """
    server = _loaded(case)
    content = _content(server.ask("GET", _MODELS), "GET /models")
    models = content.get("models")
    names = (
        [one.get("modelName") for one in models if isinstance(one, dict)]
        if isinstance(models, list)
        else list(content)
    )
    if _LOADED not in names:
        raise Broken(
            f"GET /models lists {names} where {_LOADED} is loaded",
            'answer {"models": [{"modelName": ..., "modelUrl": ...}]}',
        )
    return f"{len(names)} listed"


@rule(Kind.ANY)
def mm_08(case: Case) -> str:
    """GET /models/{name} answers 200 for a model that is loaded, and 404 for another.

    Source: DG mms-container-apis.
    """
    server = _loaded(case)
    remedy = "answer 200 with modelName and modelUrl, and 404 where it is not loaded"
    found = server.ask("GET", f"{_MODELS}/{_LOADED}")
    _expect(found, 200, "GET of a loaded model", remedy)
    _content(found, "GET of a loaded model")
    unknown = server.ask("GET", f"{_MODELS}/not-loaded")
    return f"200; {_expect(unknown, 404, 'GET of one that is not loaded', remedy)}"


@rule(Kind.ANY)
def mm_09(case: Case) -> str:
    """DELETE /models/{name} unloads a model and answers 200, and 404 for one that is not loaded.

    Source: DG mms-container-apis.
    """
    server = _loaded(case)
    remedy = "unload the model, then answer 200; answer 404 where it is not loaded"
    _expect(_unload(server, _LOADED), 200, "DELETE of a loaded model", remedy)
    _expect(
        server.ask("GET", f"{_MODELS}/{_LOADED}"), 404, "GET of a model that was deleted", remedy
    )
    return f"200; {_expect(_unload(server, _LOADED), 404, 'DELETE of it again', remedy)}"


@rule(Kind.ANY)
def mm_10(case: Case) -> str:
    """POST /models/{name}/invoke asks a model, and answers 404 where it is not loaded.

    Source: DG mms-container-apis.
    """
    server = _loaded(case)
    payload = case.given.payload or comparing.EMPTY_LIST
    headers = {"Content-Type": payload.content_type}
    unknown = server.ask("POST", f"{_MODELS}/not-loaded/invoke", payload.body, headers)
    _expect(unknown, 404, "asking a model that is not loaded", "answer 404")
    answer = server.ask("POST", f"{_MODELS}/{_LOADED}/invoke", payload.body, headers)
    is_refused = answer.status in {0, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    if is_refused or (case.given.payload is not None and not is_success(answer)):
        shown = answer.text[:120]
        raise Broken(
            f"asking a loaded model gets {answer.shown}: {shown}",
            "answer POST /models/{name}/invoke as /invocations",
        )
    return f"{answer.status}; 404 where it is not loaded"


@rule(Kind.ANY)
def mm_11(case: Case) -> str:
    """A name is whatever the platform makes of it: the model is found by it, not by its folder.

    Source: DG mms-container-apis.
    """
    server = _server(case)
    name = secrets.token_hex(32)
    answer = _load(server, name)
    # It is enough if one worker knows it: MM-15 tests the others.
    found = [server.ask("GET", f"{_MODELS}/{name}") for _ in range(_WORKERS)]
    _unload(server, name)
    if not is_success(answer) or all(one.status != HTTPStatus.OK for one in found):
        raise Broken(
            f"a name of 64 characters gets {answer.shown}, then {found[0].shown}",
            "load from `url`, and keep the model by `model_name` alone",
        )
    return f"a name of {len(name)} characters is found"


@rule(Kind.ANY)
def mm_12(case: Case) -> str:
    """A model is loaded within 360 s, and better within the 60 s of a call.

    Source: DG invoke-multi-model-endpoint.
    """
    server = _server(case)
    name = secrets.token_hex(8)
    answer = _load(server, name)
    _unload(server, name)
    if not is_success(answer):
        raise NotTested(f"fix MM-04 first: loading a model gets {answer.shown}")
    if answer.seconds > _LOAD_LIMIT_S:
        raise Broken(
            f"loading takes {answer.seconds:.0f} s; the limit is 360 s", "make the model smaller"
        )
    return f"{answer.seconds:.1f} s; the limit is 360 s"


@rule(Kind.PLATFORM)
def mm_13(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """ModelCacheSetting says whether models stay loaded.

    Source: BC.
    """
    return ""


@rule(Kind.PLATFORM)
def mm_14(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """On GPUs only AWS's Triton container serves many models.

    Source: DG build-multi-model-build-container.
    """
    return ""


@rule(Kind.ANY)
def mm_15(case: Case) -> str:
    """Each worker knows which models are loaded.

    Source: python_service.py of AWS's TensorFlow container.
    """
    server = _loaded(case)
    answers = [
        server.ask("GET", f"{_MODELS}/{_LOADED}", timeout_s=ANSWER_TIMEOUT_S)
        for _ in range(_CONNECTIONS)
    ]
    known = sum(one.status == HTTPStatus.OK for one in answers)
    if known != _CONNECTIONS:
        raise Broken(
            f"of {_CONNECTIONS} connections {known} find the loaded model: the answer differs "
            "between workers",
            "share the loaded models among the workers, or serve with one process",
        )
    return f"each of {_CONNECTIONS} connections finds the loaded model"


@rule(Kind.PLATFORM)
def mm_16(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """AWS's toolkit has its models in /opt/ml/models, and one port for all.

    Source: sagemaker-inference-toolkit, environment.py, model_server.py.
    """
    return ""
