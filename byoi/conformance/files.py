"""Contract 1F: model artifacts and the file system."""

import re
import shutil
import tempfile
from pathlib import Path

from byoi import contract
from byoi.conformance import causes, log_lines, missing, probing
from byoi.conformance.case import HEALTHY_FIRST, Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotApplicable, NotTested
from byoi.local.docker import Confinement

_NO_FILE = re.compile(
    r"No such file or directory|not found|does not exist|FileNotFoundError",
    re.IGNORECASE,
)
_PATH = re.compile(r"/[\w./+-]+")
_NEEDS_MODEL = "give the model data: --model-data FILE"
# Python writes compiled code if it can, and continues if it cannot.
_HARMLESS = ("__pycache__", ".pyc")
_SHOWN = 3
# Seconds to wait until a server is healthy if its model folder is writable.
_WRITABLE_START_S = 30.0


def _is_model(path: str) -> bool:
    return f"{path}/".startswith(f"{contract.MODEL_DIR}/")


@rule(Kind.ANY)
def rt_57(case: Case) -> str:
    """The model is loaded from /opt/ml/model, where it is before the container starts.

    Source: DG your-algorithms-inference-code.
    """
    if case.subject.model is None:
        if case.problem is None:
            raise NotApplicable("no model data was given, and it is healthy without")
        raise NotTested(_NEEDS_MODEL)
    if case.problem is None:
        return f"healthy with the model in {contract.MODEL_DIR}"
    elsewhere = [path for path in _missing(case) if "model" in path.lower()]
    # The processes of a project read the model from its folder on this machine.
    elsewhere = [
        path
        for path in elsewhere
        if not _is_model(path) and not Path(path).is_relative_to(case.subject.model)
    ]
    if elsewhere:
        raise Broken(
            f"it looks for a model in {elsewhere[0]}; the platform puts it into "
            f"{contract.MODEL_DIR}",
            f"load the model from {contract.MODEL_DIR}",
        )
    raise NotTested(HEALTHY_FIRST)


@rule(Kind.ANY, is_quick=True)
def rt_58(case: Case) -> str:
    """Nothing is written into /opt/ml/model, which is read-only.

    Source: DG your-algorithms-inference-code.
    """
    if case.problem is not None:
        if problem := _write(f"{case.log()}\n{case.problem.seen}"):
            raise problem
        _try_writable(case, f"it does not start: {case.problem.seen}")
        raise NotTested(HEALTHY_FIRST)
    usual = probing.usual(case)
    if problem := _write(usual.told):
        raise problem
    if usual.failures:
        _try_writable(case, f"a request gets {usual.failures[0].shown}")
    if case.subject.model is None and (made := _made(case)):
        raise Broken(
            f"it made {', '.join(made[:_SHOWN])}; on the platform that folder is read-only",
            "write below /tmp only",
        )
    return f"{contract.MODEL_DIR} is read-only, and it answers {usual.answers[0].shown}"


def _made(case: Case) -> list[str]:
    """Return the files that a server created in the model folder, if nothing is mounted there."""
    changes = case.server().sight.changes()
    return [
        path
        for path in changes
        if path.startswith(f"{contract.MODEL_DIR}/") and not any(one in path for one in _HARMLESS)
    ]


def _write(text: str) -> Broken | None:
    found = causes.problem_in_log(text)
    return found if found is not None and "read-only" in found.seen else None


def _try_writable(case: Case, symptom: str) -> None:
    """Try the server with a writable model folder.

    Raises:
        Broken: It then works, so the read-only folder was the cause.
    """
    if case.subject.model is None:
        return
    with tempfile.TemporaryDirectory(prefix="byoi-check-") as folder:
        copy = Path(folder) / "model"
        shutil.copytree(case.subject.model, copy)
        before = _files(copy)
        try:
            with case.launched(
                _WRITABLE_START_S,
                mounts={copy: contract.MODEL_DIR},
                confinement=Confinement(
                    memory_bytes=case.given.memory_bytes, has_writable_mounts=True
                ),
            ) as server:
                answers = probing.answers(case, server)
        except (Broken, NotTested):
            return
        # A failure that remains has another cause.
        if any(map(probing.is_failure, answers)):
            return
        made = sorted(_files(copy) - before)[:_SHOWN]
    shown = (
        f"it writes {', '.join(made)} there" if made else "it is healthy if the folder is writable"
    )
    raise Broken(f"{contract.MODEL_DIR} is read-only, and {shown}; {symptom}", "write below /tmp")


def _files(folder: Path) -> set[str]:
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


@rule(Kind.ANY)
def rt_59(case: Case) -> str:
    """The archive's files are below /opt/ml/model by the paths that they have in the archive.

    Source: BC ContainerDefinition.ModelDataUrl.
    """
    if case.subject.model is None:
        raise NotTested(_NEEDS_MODEL)
    files = _files(case.subject.model)
    if case.problem is None:
        return f"{len(files)} files, by their paths in the archive"
    for path in filter(_is_model, _missing(case)):
        name = path.rpartition("/")[2]
        found = sorted(one for one in files if one.rpartition("/")[2] == name)
        if found and f"{contract.MODEL_DIR}/{found[0]}" != path:
            raise Broken(
                f"it looks for {path}, and the archive has {found[0]}",
                f"pack the archive so that it has {Path(path).relative_to(contract.MODEL_DIR)}: "
                "tar -C FOLDER -czf model.tar.gz .",
            )
    raise NotTested(HEALTHY_FIRST)


def _missing(case: Case) -> list[str]:
    """Return the paths that the shared server did not find, according to its log."""
    lines = log_lines.matching(_NO_FILE, case.log())
    return [path.rstrip(".") for line in lines for path in _PATH.findall(line)]


@rule(Kind.ANY)
def rt_60(case: Case) -> str:
    """Without model data it is healthy, or /ping fails, or it ends with a status that says so.

    Source: BC ContainerDefinition.ModelDataUrl ("not if you use your own algorithms").
    """
    if case.problem is not None and case.subject.model is None:
        try:
            server = case.any_server()
        except Broken as broken:
            raise NotTested(HEALTHY_FIRST) from broken
        answer, code = probing.first_state(server, contract.PING_TIMEOUT_S)
        if code is None and not answer.status:
            raise NotTested(HEALTHY_FIRST)
        return _judged_without_model(case, server, answer, code)
    ready_s = case.server().ready_s or 0.0
    limit_s = min(case.subject.start_limit_s, 10 + 3 * ready_s)
    with case.subject.launched(case.conditions(has_model=False)) as server:
        return _judged_without_model(case, server, *probing.first_state(server, limit_s))


def _judged_without_model(case: Case, server: Server, answer: Answer, code: int | None) -> str:
    """Return how a server without model data answered /ping, or how it ended.

    Raises:
        Broken: It hangs, or a signal ended it.
    """
    if code is None:
        if answer.status:
            return f"/ping answers {answer.status} without model data"
        if answer.seconds >= contract.PING_TIMEOUT_S:
            raise Broken(
                f"without model data /ping hangs; the limit is {contract.PING_TIMEOUT_S} s",
                "answer /ping with 503 if there is no model",
            )
        return f"/ping has {answer.shown} without model data"
    last = log_lines.last(server.sight.log())
    if code > causes.SIGNALLED:
        raise Broken(
            f"without model data it ends with status {code}; its last lines: {last}",
            "serve without a model, answer /ping with 503, or end with status 1 and the cause",
        )
    seen = f"without model data it ends with status {code}: {last}"
    if path := missing.hidden(last, case.subject.read_file):
        return f"{seen}; the image has {path}, and a mount hides it: {missing.KEEP_ELSEWHERE}"
    return seen


@rule(Kind.PLATFORM)
def rt_61(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Model data that is not compressed is a prefix of S3, whose keys become paths.

    Source: BC S3ModelDataSource.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_62(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Such model data is for endpoints of instances with one model.

    Source: BC; DG large-model-inference-uncompressed.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_63(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A model has at most 5 further sources of model data.

    Source: BC AdditionalModelDataSources.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_64(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The platform's download of the model data has a limit of 60 to 3600 s.

    Source: BC ModelDataDownloadTimeoutInSeconds; DG large-model-inference-hosting.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_65(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The volume of an instance is chosen in VolumeSizeInGB.

    Source: DG large-model-inference-hosting; BC ProductionVariant.
    """
    return ""


@rule(Kind.ANY)
def rt_66(case: Case) -> str:
    """Files are written below /tmp only.

    No page of AWS demands it for instances, where the container is root. So elsewhere is broken
    only where serverless endpoints are asked for.

    Source: follows from RT-58 and SV-05.
    """
    probing.usual(case)
    confinement = Confinement(memory_bytes=case.given.memory_bytes, is_root_read_only=True)
    try:
        with case.launched(confinement=confinement) as server:
            worse = probing.first_worse(case, server)
            seen = f"a request gets {worse.shown}: {_last(server.sight.log())}" if worse else ""
    except Broken as broken:
        seen = broken.seen
    if not seen:
        return "it serves where all but /tmp is read-only"
    if not case.given.is_serverless:
        raise NotApplicable(f"it writes elsewhere, which instances allow: {seen}")
    raise Broken(f"where all but /tmp is read-only: {seen}", "write below /tmp only")


def _last(log: str) -> str:
    denied = [line for line in log.splitlines() if "read-only file system" in line.lower()]
    return denied[-1].strip() if denied else log_lines.last(log)
