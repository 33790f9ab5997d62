"""Contract 1F: model artifacts and the file system."""

import shutil
import tempfile
from http import HTTPStatus
from pathlib import Path

from byoi import contract
from byoi.conformance import causes
from byoi.conformance.case import Case
from byoi.conformance.rule import Broken, Kind, NotTested, rule
from byoi.conformance.server import Server
from byoi.local.docker import Confinement

_JSON = "application/json"
_COPIED_BYTES = 1 << 30


def _asked(case: Case, server: Server) -> None:
    """Send what any server must live through, and the payload."""
    server.invoke(b"", _JSON)
    server.invoke(b"[]", _JSON)
    if case.given.payload is not None:
        server.invoke(case.given.payload.body, case.given.payload.content_type)


@rule(Kind.ANY)
def rt_57(case: Case) -> str:
    """The model is read from /opt/ml/model, where it is before the container starts.

    Source: DG your-algorithms-inference-code.
    """
    server = case.server()
    payload = case.payload()
    answer = server.invoke(payload.body, payload.content_type)
    if answer.status != HTTPStatus.OK:
        raise NotTested("first mend what RT-31 names: the payload is not answered")
    return f"the payload is answered with the model at {contract.MODEL_DIR}"


@rule(Kind.ANY, is_quick=True)
def rt_58(case: Case) -> str:
    """Nothing is written into /opt/ml/model, which is read-only.

    Source: DG your-algorithms-inference-code.
    """
    server = case.server()
    _asked(case, server)
    if problem := causes.problem_in_log(server.sight.log()):
        raise problem
    if written := _written(case, server):
        raise Broken(
            f"{contract.MODEL_DIR} is read-only, and it writes there where it can: "
            f"{', '.join(written[:5])}",
            "write below /tmp only",
        )
    return "nothing was written"


def _written(case: Case, server: Server) -> list[str]:
    """Return what the server writes into a copy of the model, where it may.

    A failed write may be silent. A large model is not copied: then the log alone is looked at. Of
    a model in the image, the container's own changes are looked at.
    """
    source = case.subject.model
    if source is None:
        return [path for path in server.sight.changes() if _is_model(path)]
    if _size(source) > _COPIED_BYTES:
        return []
    confinement = Confinement(memory_bytes=case.given.memory_bytes, has_writable_mounts=True)
    # What the container wrote as root cannot be removed by another user.
    with tempfile.TemporaryDirectory(prefix="byoi-check-", ignore_cleanup_errors=True) as folder:
        model = Path(folder) / "model"
        shutil.copytree(source, model)
        before = set(model.rglob("*"))
        with case.launched(confinement=confinement, model=model) as other:
            _asked(case, other)
        return sorted(str(path.relative_to(model)) for path in set(model.rglob("*")) - before)


def _is_model(path: str) -> bool:
    # The folder itself is made for the mount.
    return contract.MODEL_DIR in Path(path).parents


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@rule(Kind.PLATFORM)
def rt_59(_case: Case) -> str:
    """Model data is one .tar.gz, whose content is laid out under /opt/ml/model as it is.

    Source: BC ContainerDefinition.ModelDataUrl.
    """
    return ""


@rule(Kind.ANY)
def rt_60(case: Case) -> str:
    """Without model data the server starts, or says that it cannot.

    Source: BC ContainerDefinition.ModelDataUrl (optional for algorithms of one's own).
    """
    case.server()
    try:
        with case.launched(has_model=False):
            return "healthy without model data"
    except Broken as broken:
        return f"not healthy: {broken.seen[:200]}"


@rule(Kind.PLATFORM)
def rt_61(_case: Case) -> str:
    """Uncompressed model data is an S3 prefix that ends in a slash.

    Source: BC S3ModelDataSource.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_62(_case: Case) -> str:
    """Uncompressed model data is not for batch transform, serverless or several models.

    Source: BC; DG large-model-inference-uncompressed.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_63(_case: Case) -> str:
    """Additional model data are at most five sources.

    Source: BC AdditionalModelDataSource.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_64(_case: Case) -> str:
    """Model data is downloaded within a time that can be set, 60 to 3600 s.

    Source: BC ProductionVariant.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_65(_case: Case) -> str:
    """Models above 30 GB need a larger volume on instances without a disk of their own.

    Source: DG large-model-inference-hosting.
    """
    return ""


@rule(Kind.ANY)
def rt_66(case: Case) -> str:
    """The server writes below /tmp only.

    Not a rule of AWS's for instances: the one place that every platform gives.

    Source: derived from SV-05 and RT-58.
    """
    case.server()
    confinement = Confinement(memory_bytes=case.given.memory_bytes, is_root_read_only=True)
    try:
        with case.launched(confinement=confinement) as server:
            _asked(case, server)
            _require_alive(server)
    except Broken as broken:
        raise Broken(
            f"with a read-only root: {broken.seen}", "write below /tmp only: " + broken.remedy
        ) from broken
    return "healthy with a read-only root and a writable /tmp"


def _require_alive(server: Server) -> None:
    answer = server.ping()
    if answer.status != HTTPStatus.OK:
        raise Broken(f"/ping answers {answer.shown} after requests", "the log has the cause")
