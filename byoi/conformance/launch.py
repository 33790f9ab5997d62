"""Contract 1A: the image, and how it is launched."""

import re
from collections.abc import Mapping
from typing import Any

from byoi import errors
from byoi.conformance import causes, log_lines, programs, stopping, training_runs
from byoi.conformance.case import HEALTHY_FIRST, Case
from byoi.conformance.causes import refuses
from byoi.conformance.programs import BadProgram
from byoi.conformance.rule import Kind, rule
from byoi.conformance.verdict import Broken, NotApplicable, NotTested
from byoi.names import DOCKER_MANIFEST, ImageReference
from byoi.registry import Registry

_REFERENCE_CHARACTERS = 255
_SHELL = re.compile(r"(?:.*/)?(?:ba|da|a|z)?sh$")
_ROOT = {"", "0", "root"}
_DENIED = re.compile(r"Permission denied|Errno 13|EACCES", re.IGNORECASE)
# Instance types by architecture.
_INSTANCES = {"amd64": "x86 instance types", "arm64": "Graviton instance types, as ml.c7g"}
# Files of the NVIDIA driver, which the platform mounts into the container.
_DRIVER_FILES = (
    "/usr/bin/nvidia-smi",
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/lib64/libcuda.so.1",
)
# Variables of training jobs with AWS's toolkits, or of containers of other services.
_EXPECTED = {
    "SM_MODEL_DIR": "/opt/ml/model",
    "SAGEMAKER_BIND_TO_PORT": "8080",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "SAGEMAKER_REGION": "eu-central-1",
    "SM_CURRENT_HOST": "algo-1",
    "SM_HOSTS": '["algo-1"]',
    "SM_NUM_CPUS": "2",
    "SM_NUM_GPUS": "0",
}


def _config(case: Case) -> Mapping[str, Any]:
    config: Mapping[str, Any] = case.subject.described().get("Config") or {}
    return config


@rule(Kind.ANY, is_quick=True)
def rt_01(case: Case) -> str:
    """The image starts with the argument `serve`, as `docker run IMAGE serve`.

    Source: DG your-algorithms-inference-code.
    """
    case.subject.described()
    problem = case.problem
    if problem is None:
        return "starts with the argument serve"
    if _is_refused(case, problem):
        raise Broken(
            f"docker run IMAGE serve: {problem.seen}",
            "put a program `serve` on the PATH, or let the ENTRYPOINT take the argument `serve`",
        )
    raise NotTested(HEALTHY_FIRST)


def _is_refused(case: Case, problem: Broken) -> bool:
    """Whether the program is missing, or it ended because of the argument.

    RT-22 reports other problems of the program, such as its line ends.
    """
    if isinstance(problem, BadProgram):
        return problem.is_missing
    try:
        code = case.any_server().sight.exit_code()
    except Broken:
        return True
    return code is not None and refuses("serve", code, case.log())


def _has_not_started(case: Case) -> bool:
    try:
        return case.any_server().sight.exit_code() is not None
    except Broken:
        return True


@rule(Kind.ANY)
def rt_02(case: Case) -> str:
    """The image that also trains takes the argument `train`.

    Source: DG your-algorithms-training-algo-dockerfile.
    """
    return training_runs.takes_train(case)


@rule(Kind.ANY, is_quick=True)
def rt_03(case: Case) -> str:
    """ENTRYPOINT is in exec form, so that process 1 is the server and gets SIGTERM.

    A shell that hands over to the server keeps the rule, too: so that is tried.

    Source: DG your-algorithms-inference-code.
    """
    entry = _config(case).get("Entrypoint") or []
    if not entry:
        return "no ENTRYPOINT: `serve` itself is process 1"
    if len(entry) < 2 or not _SHELL.fullmatch(str(entry[0])) or entry[1] != "-c":
        return f"exec form: {entry}"
    if stopping.stopped(case).is_killed:
        raise Broken(
            f"ENTRYPOINT is in shell form, {entry}, and SIGTERM does not reach the server",
            'write it in exec form, ENTRYPOINT ["program", "argument"]',
        )
    return f"shell form, {entry}, and SIGTERM reaches the server all the same"


@rule(Kind.ANY)
def rt_04(case: Case) -> str:
    """The ENTRYPOINT is not `tini`.

    Source: DG your-algorithms-inference-code ("gets confused by the train and serve arguments").
    """
    entry = [str(one) for one in _config(case).get("Entrypoint") or []]
    if entry and entry[0].rpartition("/")[2].startswith("tini"):
        raise Broken(
            f"ENTRYPOINT begins with {entry[0]}",
            "start the server without tini, and let process 1 collect its children itself",
        )
    return f"ENTRYPOINT is {entry}" if entry else "no ENTRYPOINT"


@rule(Kind.ANY)
def rt_05(case: Case) -> str:
    """The server works as the user that it runs as: as root, or as one that has the permissions.

    AWS warns of users other than root and does not refuse them, so it is what fails that counts.

    Source: DG your-algorithms-inference-code ("can cause permissions issues");
    sagemaker-inference-toolkit issue 72.
    """
    user = str(_config(case).get("User") or "")
    if user.partition(":")[0] in _ROOT:
        return "it runs as root"
    problem = case.problem
    if problem is None:
        return f"USER is {user}, and it serves; AWS warns of users other than root"
    # RT-22 names the program, its permissions and the user.
    if isinstance(problem, BadProgram):
        raise NotTested(HEALTHY_FIRST)
    if denied := log_lines.first(_DENIED, f"{case.log()}\n{problem.seen}"):
        raise Broken(
            f"USER is {user}: {denied[:300]}",
            "leave USER out of the Dockerfile, or give that user the permission",
        )
    raise NotTested(HEALTHY_FIRST)


@rule(Kind.ANY)
def rt_06(case: Case) -> str:
    """An image for GPUs has CUDA, and not the driver, which the platform brings.

    Source: DG your-algorithms-inference-code.
    """
    variables = {str(one).partition("=")[0] for one in _config(case).get("Env") or ()}
    found = [path for path in _DRIVER_FILES if case.subject.read_file(path) is not None]
    if found:
        raise Broken(
            f"the image has files of NVIDIA's driver: {', '.join(found)}",
            "install CUDA without the driver: the platform mounts that of its machine",
        )
    if not variables & {"CUDA_VERSION", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_REQUIRE_CUDA"}:
        raise NotApplicable("it is not for GPUs: none of CUDA's variables is set")
    return "it is for GPUs and has no driver"


@rule(Kind.ANY)
def rt_07(case: Case) -> str:
    """The manifest has Docker's media type: CreateModel refuses OCI's, an index or an image.

    It is made when the image is pushed. So a registry is asked, where the image's name has one.

    Source: aws/amazon-sagemaker-feedback issue 180; mlflow issue 13834; buildkit issue 5480.
    """
    described = case.subject.described()
    reference = ImageReference.parse(case.subject.name)
    media_type = str((described.get("Descriptor") or {}).get("mediaType") or "")
    if reference.registry:
        try:
            found = Registry(reference.registry).manifest(reference.repository, reference.version)
        except errors.RegistryError as error:
            raise NotTested(
                f"push the image, and log in at its registry with `docker login`: {error}"
            ) from error
        media_type = found.media_type
    if not media_type:
        raise NotTested(
            "push the image and check it under the name that it has in the registry: the "
            "manifest is made by the push"
        )
    if media_type != DOCKER_MANIFEST:
        raise Broken(
            f"the manifest is {media_type}, which CreateModel refuses",
            "build one platform with Docker's media types: docker buildx build --platform "
            "linux/amd64 --provenance=false --sbom=false --output "
            "type=image,oci-mediatypes=false,push=true",
        )
    return f"the manifest is {media_type}"


@rule(Kind.ANY)
def rt_08(case: Case) -> str:
    """The image is for one architecture, that of the instance type.

    Source: BC ProductionVariantInstanceType.
    """
    described = case.subject.described()
    architecture, system = described.get("Architecture"), described.get("Os") or "linux"
    wanted = case.given.architecture
    if wanted and architecture != wanted:
        raise Broken(
            f"the image is for {system}/{architecture}, and the instance type for linux/{wanted}",
            f"build it for the instance type: docker build --platform linux/{wanted} ...",
        )
    here = programs.machine()
    if not wanted and architecture in _INSTANCES and architecture != here and case.problem:
        raise Broken(
            f"the image is for {system}/{architecture}, and this machine is {here}; it is for "
            f"{_INSTANCES[str(architecture)]} only",
            f"build it for the instance type: docker build --platform linux/{here}; or name one "
            "that it is for, and check it on such a machine: --instance-type ml.c7g.large",
        )
    if system != "linux" or architecture not in _INSTANCES:
        raise Broken(
            f"the image is for {system}/{architecture}",
            "build it for the instance type: docker build --platform linux/amd64, or linux/arm64",
        )
    return f"linux/{architecture}, for {_INSTANCES[str(architecture)]}"


@rule(Kind.ANY)
def rt_09(case: Case) -> str:
    """The image's name has at most 255 characters.

    Source: BC ContainerDefinition.Image.
    """
    case.subject.described()
    length = len(case.subject.name)
    if length > _REFERENCE_CHARACTERS:
        raise Broken(f"the name has {length} characters; the limit is 255", "choose a shorter one")
    return f"{length} characters; the limit is 255"


@rule(Kind.PLATFORM)
def rt_10(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """No limit of an image's size is documented for instances.

    Source: none found; DG serverless-endpoints has one for serverless endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_11(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """An image of a private registry is pulled through the model's VPC.

    Source: DG your-algorithms-containers-inference-private; BC ImageConfig.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_12(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A model has at most 100 variables, of 1024 characters each.

    Source: BC ContainerDefinition.Environment.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_13(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The host name inside is ContainerHostname.

    Source: BC ContainerDefinition.ContainerHostname; DG your-algorithms-inference-code.
    """
    return ""


@rule(Kind.ANY)
def rt_14(case: Case) -> str:
    """The server starts without any variable that is not the user's own.

    Source: DG, which documents none for one model; sagemaker-inference-toolkit, environment.py,
    which has a default for each.
    """
    case.subject.described()
    if case.problem is None:
        return "healthy without any variable of the platform"
    if not _has_not_started(case):
        raise NotTested(HEALTHY_FIRST)
    log = case.log()
    missed = [name for name in _EXPECTED if name in log]
    if not missed and (unknown := causes.missing_variables(log)):
        raise Broken(
            f"it does not start without {unknown[0]}: {log_lines.last(log)}",
            f"have a default for {unknown[0]}, which the platform does not set; or set it in the "
            f"model's environment, and give it to the check: --env {unknown[0]}=VALUE",
        )
    if not missed or not _is_healthy_with(case, _EXPECTED):
        raise NotTested(HEALTHY_FIRST)
    raise Broken(
        f"it starts only where {', '.join(missed)} is set: {log_lines.last(log)}",
        f"have a default for {', '.join(missed)}: the platform sets no such variable",
    )


def _is_healthy_with(case: Case, environment: Mapping[str, str]) -> bool:
    try:
        with case.launched(environment=environment):
            return True
    except Broken:
        return False
