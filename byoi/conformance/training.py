"""Contract 5: the training container."""

import contextlib
import re
import signal

from byoi import contract
from byoi.conformance import causes, log_lines, training_runs
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.training_runs import GRACE_S, KILLED, Job, Run
from byoi.conformance.verdict import Broken, NotApplicable, NotTested

# A job counts as running after its first log line, or after this time.
_UNDER_WAY_S = 5.0
# Exit statuses of a job that a signal has ended, in the form of a shell or of Python.
_ENDED_BY_SIGNAL = {KILLED, causes.SIGNALLED + signal.SIGTERM, -signal.SIGTERM}
_RESERVED = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/checkpoints")
_VARIABLE = re.compile(r"KeyError: '(SM_\w+)'|\b(SM_\w+)\b[^\n]*not set")
_REMEDY_FILE = "read it as the Developer Guide describes it, and accept that parts are missing"


def _used(case: Case, name: str) -> Run:
    """Return the user's job if it succeeded, which shows that it could use a file.

    Raises:
        Broken: The job failed with a message about the file.
        NotTested: There is no job, or it failed for another reason.
    """
    run = training_runs.succeeding(case)
    if run.exit_code and (lines := [one for one in run.told.splitlines() if name in one]):
        raise Broken(f"the job fails at {name}: {lines[-1].strip()[:300]}", _REMEDY_FILE)
    return training_runs.good(case)


@rule(Kind.ANY)
def tr_01(case: Case) -> str:
    """The image starts with the argument `train`, as `docker run IMAGE train`.

    Source: DG your-algorithms-training-algo-dockerfile.
    """
    return training_runs.takes_train(case)


@rule(Kind.PLATFORM)
def tr_02(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """ContainerEntrypoint replaces the ENTRYPOINT, and ContainerArguments the `train`.

    Source: DG your-algorithms-training-algo-dockerfile; BC AlgorithmSpecification.
    """
    return ""


@rule(Kind.ANY)
def tr_03(case: Case) -> str:
    """The image has no files where the platform mounts: they would not be seen.

    Source: DG your-algorithms-training-algo-dockerfile (/opt/ml is reserved).
    """
    training_runs.require(case)
    found = [path for path in _RESERVED if case.subject.has_files(path)]
    if found:
        raise Broken(
            f"the image has files in {', '.join(found)}, over which the platform mounts",
            "put them elsewhere, for example into /opt/program",
        )
    return f"the image has no files in {', '.join(_RESERVED)}"


@rule(Kind.ANY)
def tr_04(case: Case) -> str:
    """Hyperparameters are read from hyperparameters.json, where all values are texts.

    Source: DG your-algorithms-training-algo-running-container; BC HyperParameters.
    """
    run = training_runs.succeeding(case)
    if run.exit_code and not training_runs.native(case).exit_code:
        raise Broken(
            "the job fails with hyperparameters that are texts, as the platform has them, and ends "
            f"well with numbers: {log_lines.last(run.told)}",
            "convert each value: int(hyperparameters['epochs'])",
        )
    _used(case, "hyperparameters.json")
    return "it ends well with hyperparameters that are texts"


@rule(Kind.ANY)
def tr_05(case: Case) -> str:
    """Channels are described in inputdataconfig.json.

    Source: DG your-algorithms-training-algo-running-container.
    """
    run = _used(case, "inputdataconfig.json")
    return f"it ends well with {len(run.channels)} channels"


@rule(Kind.ANY)
def tr_06(case: Case) -> str:
    """Hosts are described in resourceconfig.json.

    Source: DG your-algorithms-training-algo-running-container; sagemaker-training-toolkit,
    environment.py.
    """
    _used(case, "resourceconfig.json")
    return "it ends well as the only host, algo-1"


@rule(Kind.ANY)
def tr_07(case: Case) -> str:
    """The data of a channel is read from /opt/ml/input/data/CHANNEL.

    Source: DG your-algorithms-training-algo-running-container; BC Channel.
    """
    run = _used(case, str(contract.INPUT_DATA_DIR))
    return f"it ends well with the data of {', '.join(run.channels) or 'no channel'}"


@rule(Kind.ANY)
def tr_08(case: Case) -> str:
    """In pipe mode the data of a channel are named pipes, one for each epoch.

    Source: DG your-algorithms-training-algo-running-container.
    """
    training_runs.require(case)
    raise NotApplicable("a job asks for pipe mode, and the check runs file mode")


@rule(Kind.ANY)
def tr_09(case: Case) -> str:
    """The model is written into /opt/ml/model.

    Source: DG your-algorithms-training-algo-output.
    """
    run = training_runs.good(case)
    if not run.model:
        raise Broken(
            f"the job ends well and leaves nothing in {contract.MODEL_DIR}",
            f"save the model in {contract.MODEL_DIR}: it becomes model.tar.gz",
        )
    return f"{len(run.model)} files in {contract.MODEL_DIR}: {', '.join(run.model[:3])}"


@rule(Kind.ANY)
def tr_10(case: Case) -> str:
    """Other results are written into /opt/ml/output/data.

    Source: DG your-algorithms-training-algo-output.
    """
    run = training_runs.good(case)
    if not run.output:
        raise NotApplicable(f"it leaves nothing in {contract.OUTPUT_DATA_DIR}")
    return f"{len(run.output)} files in {contract.OUTPUT_DATA_DIR}"


@rule(Kind.ANY)
def tr_11(case: Case) -> str:
    """The cause of a failure is written into /opt/ml/output/failure.

    Source: DG your-algorithms-training-algo-output; BC FailureReason.
    """
    run = training_runs.failing(case)
    if not run.failure.strip():
        raise Broken(
            f"{run.job.value} ends with status {run.exit_code}, and {contract.FAILURE_FILE} is "
            f"absent or empty; its last lines: {log_lines.last(run.log)}",
            f"write the cause into {contract.FAILURE_FILE} before the end: its first 1024 "
            "characters become FailureReason",
        )
    return f"{contract.FAILURE_FILE}: {run.failure.strip()[:120]}"


@rule(Kind.ANY)
def tr_12(case: Case) -> str:
    """A job that ends well has status 0, and one that fails another.

    Source: DG your-algorithms-training-signal-success-failure.
    """
    training_runs.require(case)
    if case.given.training_input is not None:
        run = training_runs.succeeding(case)
        if run.exit_code:
            raise Broken(
                f"the job ends with status {run.exit_code}: {log_lines.last(run.told)}",
                "the last lines have the cause; check that the input is that of the job",
            )
    run = training_runs.failing(case)
    if not run.exit_code:
        raise Broken(
            f"{run.job.value} fails, and ends with status 0: {run.failure.strip()[:200]}",
            "end with a status other than 0 if the job failed",
        )
    return f"{run.job.value} ends with status {run.exit_code}"


@rule(Kind.ANY)
def tr_13(case: Case) -> str:
    """SIGTERM ends a job, before SIGKILL 120 s later.

    Source: DG your-algorithms-training-algo-dockerfile; BC StoppingCondition.
    """
    training_runs.training_input(case)
    with training_runs.launched(case, Job.GIVEN) as (server, _):
        training_runs.wait_until_under_way(server, _UNDER_WAY_S)
        if server.sight.exit_code() is not None:
            raise NotTested("give the input of a job that takes 10 s or more: --training-input")
        has_handler = None
        with contextlib.suppress(NotTested):
            has_handler = server.sight.handles(signal.SIGTERM)
        end = server.stop(GRACE_S)
    # Process 1 gets no signal that it does not handle.
    if has_handler is False and end.exit_code not in _ENDED_BY_SIGNAL:
        raise Broken(
            f"SIGTERM did not end the job: process 1 does not handle it, and the job went on to "
            f"its own end, {end.seconds:.0f} s later",
            "let process 1 handle SIGTERM: save the model and end",
        )
    if end.exit_code == KILLED:
        raise Broken(
            f"SIGTERM did not end the job: it was killed (SIGKILL) after {end.seconds:.0f} s; the "
            f"limit is {GRACE_S} s",
            "let process 1 handle SIGTERM: save the model and end",
        )
    return f"ended {end.seconds:.1f} s after SIGTERM, with status {end.exit_code}"


@rule(Kind.PLATFORM)
def tr_14(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """/opt/ml/checkpoints is copied to S3 while the job runs.

    Source: DG model-checkpoints; BC CheckpointConfig.
    """
    return ""


@rule(Kind.OURS)
def tr_15(case: Case) -> str:  # noqa: ARG001 - checkpoints cannot be recognised from outside
    """A job that is started again goes on from its checkpoints.

    No test proves it: the project's own training takes a minute and has none.

    Source: DG model-managed-spot-training.
    """
    return ""


@rule(Kind.ANY)
def tr_16(case: Case) -> str:
    """A job has TRAINING_JOB_NAME, TRAINING_JOB_ARN and the user's variables, and no SM_*.

    Source: DG your-algorithms-training-algo-running-container.
    """
    run = training_runs.succeeding(case)
    if run.exit_code and (found := _VARIABLE.search(run.told)):
        name = found[1] or found[2]
        raise Broken(
            f"the job fails without {name}, which the platform does not set",
            f"take {name} from a path of the contract, or run the script by "
            "sagemaker-training-toolkit",
        )
    training_runs.good(case)
    return "it ends well without any variable SM_*"


@rule(Kind.OURS)
def tr_17(case: Case) -> str:  # noqa: ARG001 - they are set inside the container
    """Variables SM_* are made inside the container, by whatever runs the script.

    Proved by tests/byoi/test_training_script.py.

    Source: sagemaker-training-toolkit, environment.py, mapping.py.
    """
    return ""


@rule(Kind.OURS)
def tr_18(case: Case) -> str:  # noqa: ARG001 - only for images with AWS's toolkit
    """AWS's toolkit runs the script SAGEMAKER_PROGRAM of /opt/ml/code.

    The project's own training refuses those variables: tests/byoi/test_training_platform.py.

    Source: sagemaker-training-toolkit, README; DG model-train-storage-env-var-summary.
    """
    return ""


@rule(Kind.PLATFORM)
def tr_19(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Metrics are found in stdout and stderr by the expressions of MetricDefinitions.

    Source: DG define-train-metrics; BC MetricDefinition.
    """
    return ""


@rule(Kind.PLATFORM)
def tr_20(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Scratch files are in /tmp.

    Source: DG model-train-storage-env-var-summary.
    """
    return ""


@rule(Kind.ANY)
def tr_21(case: Case) -> str:
    """A job runs without a network and without credentials.

    Source: DG mkt-algo-model-internet-free.
    """
    training_runs.require(case)
    has_input = case.given.training_input is not None
    run = training_runs.succeeding(case) if has_input else training_runs.failing(case)
    problem = causes.problem_in_log(run.told) if run.exit_code else None
    if problem and problem.seen.startswith(causes.NO_NETWORK):
        raise Broken(problem.seen, "put what it fetches into the image or into a channel")
    training_runs.good(case)
    return "it ends well without a network"
