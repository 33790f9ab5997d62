"""Contract 1A: the image, and how it is started."""

import platform

from byoi.conformance.case import Case
from byoi.conformance.rule import Broken, Kind, NotApplicable, NotTested, rule

_INIT_PROGRAMS = {"tini", "dumb-init", "docker-init"}
_SHELLS = {"sh", "bash", "ash", "dash"}
# As Linux names processors, and as images do.
_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def _config(case: Case) -> dict[str, object]:
    return dict(case.subject.described().get("Config") or {})


def _entry_point(case: Case) -> list[str]:
    found = _config(case).get("Entrypoint") or []
    return [str(one) for one in found] if isinstance(found, list) else [str(found)]


@rule(Kind.ANY, is_quick=True)
def rt_01(case: Case) -> str:
    """The image runs as `docker run IMAGE serve`: the entry point takes the argument `serve`.

    Source: DG your-algorithms-inference-code.
    """
    case.subject.described()
    server = case.any_server()
    if server.sight.exit_code() is None:
        return "runs with the argument serve"
    problem = case.problem
    raise Broken(
        f"it ended after `docker run IMAGE serve`: {problem.seen if problem else 'at once'}",
        problem.remedy if problem else "let `serve` run for as long as it serves",
    )


@rule(Kind.ANY)
def rt_02(case: Case) -> str:
    """An image that trains too takes the argument `train`.

    Source: DG your-algorithms-training-algo-dockerfile.
    """
    if not case.given.is_training:
        raise NotApplicable("it is checked for serving: --train")
    raise NotTested("training is not tested by this check")


@rule(Kind.ANY, is_quick=True)
def rt_03(case: Case) -> str:
    """ENTRYPOINT is in its exec form, so that process 1 gets SIGTERM.

    Source: DG your-algorithms-inference-code.
    """
    entry = _entry_point(case)
    program = entry[0].rpartition("/")[2] if entry else ""
    if program in _SHELLS and entry[1:2] == ["-c"]:
        raise Broken(
            f"ENTRYPOINT is in its shell form, {' '.join(entry)!r}: the shell is process 1, it "
            "takes no argument serve and passes no SIGTERM on",
            'write it as a list: ENTRYPOINT ["python3", "/serve.py"]',
        )
    return f"ENTRYPOINT {entry}" if entry else "no ENTRYPOINT: serve itself is process 1"


@rule(Kind.ANY)
def rt_04(case: Case) -> str:
    """No `tini` or another init program is the entry point.

    Source: DG your-algorithms-inference-code.
    """
    entry = _entry_point(case)
    if entry and entry[0].rpartition("/")[2] in _INIT_PROGRAMS:
        raise Broken(
            f"ENTRYPOINT begins with {entry[0]}, which takes serve for its own argument",
            "start the server itself, and let it reap its children",
        )
    return "none"


@rule(Kind.ANY)
def rt_05(case: Case) -> str:
    """The container runs as root: the image names no USER.

    Source: DG your-algorithms-inference-code (non-root users can cause permissions issues).
    """
    user = str(_config(case).get("User") or "")
    if user not in {"", "0", "root", "0:0", "root:root"}:
        raise Broken(
            f"USER {user}: files that the platform mounts may be out of its reach",
            "leave USER out, and make what is written world-writable for serverless endpoints",
        )
    return "no USER"


@rule(Kind.PLATFORM)
def rt_06(_case: Case) -> str:
    """An image for GPUs has the CUDA toolkit and no NVIDIA drivers.

    Source: DG your-algorithms-inference-code.
    """
    return ""


@rule(Kind.ANY)
def rt_07(case: Case) -> str:
    """The manifest in the registry is Docker's schema 2: no OCI manifest and no index of images.

    Source: GH aws/amazon-sagemaker-feedback#180, moby/buildkit#5480.
    """
    case.subject.described()
    raise NotTested(
        "push it by ./build_and_push.sh, or name it in `byoi deploy`: both look at the manifest"
    )


@rule(Kind.ANY, is_quick=True)
def rt_08(case: Case) -> str:
    """The image is for one architecture, that of the instance.

    Source: BC ProductionVariantInstanceType; AWS's samples build with --platform linux/amd64.
    """
    built = str(case.subject.described().get("Architecture") or "")
    here = _ARCHITECTURES.get(platform.machine(), built)
    if built != here:
        raise Broken(
            f"the image is for {built}, and this machine is {here}",
            f"build it for the instance: docker build --platform linux/{here} ...; or check an "
            f"image for {built} on such a machine",
        )
    return f"linux/{built}"


@rule(Kind.ANY)
def rt_09(case: Case) -> str:
    """The reference of the image has at most 255 characters and no blank.

    Source: BC ContainerDefinition.Image.
    """
    case.subject.described()
    if len(case.subject.name) > 255:
        raise Broken(f"{len(case.subject.name)} characters; the limit is 255", "shorten the tag")
    return f"{len(case.subject.name)} characters"


@rule(Kind.PLATFORM)
def rt_10(_case: Case) -> str:
    """The size of an image has no documented limit but that of serverless endpoints.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_11(_case: Case) -> str:
    """A private registry is reached in the model's VPC, with TLS of a known authority.

    Source: DG your-algorithms-containers-inference-private.
    """
    return ""


@rule(Kind.ANY)
def rt_12(case: Case) -> str:
    """The variables of a container are at most 100, of 1024 bytes each.

    Source: BC ContainerDefinition.Environment.
    """
    variables = case.given.environment
    long = [name for name, value in variables.items() if len(value.encode()) > 1024]
    if len(variables) > 100 or long:
        raise Broken(
            f"{len(variables)} variables; longer than 1024 bytes: {', '.join(long) or 'none'}",
            "put long values into the model data",
        )
    return f"{len(variables)} of the user"


@rule(Kind.PLATFORM)
def rt_13(_case: Case) -> str:
    """The name of the container's host is the platform's choice.

    Source: BC ContainerDefinition.ContainerHostname.
    """
    return ""


@rule(Kind.ANY)
def rt_14(case: Case) -> str:
    """The server needs no variable that the platform does not set.

    Source: absence in DG; sagemaker-inference-toolkit gives all of them a default.
    """
    case.server()
    return f"healthy with {len(case.given.environment)} variables, all of the user"
