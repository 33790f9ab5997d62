"""Jobs in local mode: training and batch transform, which fail with the reason and clean up."""

import contextlib
import datetime as dt
import http.client
import json
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from sagemaker.local.entities import _LocalTransformJob
from sagemaker.local.utils import move_to_destination

from byoi import contract, errors, proxies
from byoi.hosting import staging
from byoi.hosting.batches import Batching, find_files
from byoi.hosting.container import LocalContainer
from byoi.hosting.data_processing import DataProcessing
from byoi.hosting.runtime_client import RuntimeClient

# API ModelClientConfig.
_INVOCATION_TIMEOUT_S = 600
_POLL_S = 0.5
# API StoppingCondition: SIGTERM, then 120 s.
_TRAINING_GRACE_S = 120


class TrainingContainer(LocalContainer):
    """The containers of one training job.

    Attributes:
        failure: Content of their /opt/ml/output/failure, or "".
        max_runtime_s: Seconds after which they are stopped, API StoppingCondition; None is never.
    """

    failure = ""
    max_runtime_s: float | None = None
    _is_over_time = False

    def train(self, *arguments: Any) -> str:
        """Run a training job as the SDK does, with its output in `log`; return its model's URI.

        Raises:
            JobFailedError: A container ended with another status than 0; the message has
                the content of its /opt/ml/output/failure. Or the job took longer than
                `max_runtime_s`; what its containers had written by then is kept, as on AWS.
        """
        has_ended = threading.Event()
        clock = threading.Thread(target=self._stop_in_time, args=(has_ended,), daemon=True)
        clock.start()
        try:
            artifacts = self._train(*arguments)
        finally:
            has_ended.set()
            clock.join()
        return artifacts

    def _stop_in_time(self, has_ended: threading.Event) -> None:
        """Stop the containers when their time is over, as soon as there are any."""
        while not has_ended.wait(self.max_runtime_s if not self._is_over_time else _POLL_S):
            self._is_over_time = True
            if self.container_names:
                self.place.engine.stop(self.container_names, _TRAINING_GRACE_S)

    def _train(self, *arguments: Any) -> str:
        with (
            self.log.open("a") as stream,
            contextlib.redirect_stdout(stream),
            warnings.catch_warnings(),
        ):
            # The SDK leaves the pipe to its compose process to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            status = ""
            try:
                artifacts = str(super().train(*arguments))
            except RuntimeError as error:
                status = str(error).rpartition(": ")[2]
            finally:
                self.remove()
                # What the container wrote belongs to root.
                self.place.engine.unlock(self.workspace, self.image)
        if self._is_over_time:
            raise errors.JobFailedError(
                f"the training job was stopped after max_run={self.max_runtime_s} s "
                f"(MaxRuntimeExceeded); give it more. The container's log is in {self.log}"
            )
        if not status:
            return artifacts
        reason = self.failure.strip() or (
            f"it ended with status {status} and left no reason in {contract.FAILURE_FILE}"
        )
        raise errors.JobFailedError(
            f"the training job failed: {reason}\nThe container's log is in {self.log}"
        )

    def retrieve_artifacts(self, *arguments: Any) -> str:
        """Pack the files that training wrote, as the SDK does, and keep the failure file's text.

        The SDK deletes the file afterwards.
        """
        for host in self.hosts:
            file = Path(self.container_root, host, "output", contract.FAILURE_FILE.name)
            if file.is_file():
                self.failure = file.read_text(errors="replace")[
                    : contract.FAILURE_REASON_CHARACTERS
                ]
        return str(super().retrieve_artifacts(*arguments))


class TransformJob(_LocalTransformJob):  # type: ignore[misc] # the SDK ships no types
    """One batch transform: a container of its own, and one output file for each input file.

    Attributes:
        settings: The other parameters of API CreateTransformJob.
        failure: Why it failed, or "".
    """

    local_session: Any

    def start(
        self,
        input_data: dict[str, Any],
        output_data: dict[str, Any],
        transform_resources: dict[str, Any],
        *,
        container: LocalContainer,
        **settings: Any,
    ) -> None:
        """Run the job to its end.

        Args:
            input_data: API TransformInput.
            output_data: API TransformOutput.
            transform_resources: API TransformResources.
            container: Not yet started.
            settings: Other parameters of API CreateTransformJob.

        Raises:
            ConfigurationError: The input has no content type, or cannot be filtered or joined.
            ClientError: ValidationException, a filter is none that AWS takes.
            JobFailedError: An invocation was answered with an error status, or a record or an
                answer cannot be filtered or joined.
            EndpointFailedError: The container did not become healthy.
        """
        self.transform_resources = transform_resources
        self.input_data = input_data
        self.output_data = output_data
        self.settings = dict(settings)
        self.failure = ""
        self.container = container
        self.start_time = dt.datetime.now(dt.UTC)
        self.state = "Failed"  # unless the end is reached
        try:
            self._run(container, settings)
        except Exception as error:
            self.failure = str(error)
            raise
        finally:
            container.stop_serving()
            container.report_stop()
        self.end_time = dt.datetime.now(dt.UTC)
        self.state = self._COMPLETED

    def describe(self) -> dict[str, Any]:
        """Return API DescribeTransformJob's answer, with all that the job was given."""
        described: dict[str, Any] = super().describe()
        reason = {"FailureReason": self.failure} if self.failure else {}
        return described | self.settings | {"BatchStrategy": self.batch_strategy} | reason

    def _run(self, container: LocalContainer, settings: dict[str, Any]) -> None:
        content_type = self.input_data.get("ContentType")
        if not content_type:
            raise errors.ConfigurationError(
                "a batch transform in local mode needs a content type; "
                'call transform(..., content_type="application/jsonlines")'
            )
        accept = self.output_data.get("Accept")
        processing = DataProcessing(settings.get("DataProcessing") or {}, self.input_data, accept)
        source = self.input_data["DataSource"]["S3DataSource"]["S3Uri"]
        files = find_files(staging.find_input(source, self.local_session))
        if not files:
            raise errors.HostingError(f"there is no file in {source!r}, given as input")
        container.serve(
            self.primary_container["ModelDataUrl"], self._get_container_environment(**settings)
        )
        settings |= _execution_parameters(container.url, settings)
        settings |= self._get_required_defaults(**settings)
        self.batch_strategy = settings["BatchStrategy"]
        batching = Batching(
            is_split=self.input_data.get("SplitType") == "Line",
            is_compressed=self.input_data.get("CompressionType") == "Gzip",
            has_several=self.batch_strategy == "MultiRecord",
            limit_mib=int(settings["MaxPayloadInMB"]),
        )
        invoke = _Invoker(container.url, self.local_session, content_type, accept, settings)
        output = Path(container.workspace, "output")
        # Not mkdtemp: the output directory takes over this one's mode, which would be 0700.
        output.mkdir()
        for file, name in files:
            target = output / f"{name}.out"
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with target.open("wb") as stream:
                    stream.writelines(self._answers(file, batching, processing, invoke))
            except (errors.JobFailedError, ClientError, BotoCoreError) as error:
                raise errors.JobFailedError(
                    f"batch transform {self.name} stopped at {name} and wrote no output: {error}; "
                    f"the container's log is in {container.log}"
                ) from error
        move_to_destination(
            str(output), self.output_data["S3OutputPath"], self.name, self.local_session
        )

    def _answers(
        self, file: Path, batching: Batching, processing: DataProcessing, invoke: "_Invoker"
    ) -> Iterator[bytes]:
        """Yield what is written for each invocation of one file."""
        prepare = _as_it_is if processing.is_idle else processing.prepare
        ending = b"\n" if self.output_data.get("AssembleWith") == "Line" else b""
        for values, body in batching.gather(batching.read(file), prepare):
            made, made_type = invoke(body)
            yield (
                made + ending if processing.is_idle else processing.finish(values, made, made_type)
            )


class _Invoker:
    """Sends the invocations of one batch transform.

    Source of the defaults and ranges: API ModelClientConfig. AWS by itself tries a failed
    invocation three times more; here that is done where it is asked for, because most failures
    of a rehearsal are the model's own.
    """

    def __init__(
        self,
        url: str,
        session: Any,
        content_type: str,
        accept: str | None,
        settings: Mapping[str, Any],
    ) -> None:
        patience = settings.get("ModelClientConfig") or {}
        self._client = RuntimeClient(
            lambda _name: url,
            boto_session=session.boto_session,
            read_timeout_s=patience.get("InvocationsTimeoutInSeconds", _INVOCATION_TIMEOUT_S),
        )
        self._tries = 1 + patience.get("InvocationsMaxRetries", 0)
        # The SDK names no endpoint when it invokes; the client needs none either.
        self._parameters = {"EndpointName": "transform", "ContentType": content_type}
        if accept:
            self._parameters["Accept"] = accept

    def __call__(self, body: bytes) -> tuple[bytes, str]:
        """Return the answer's body and its content type.

        Raises:
            ClientError: `ModelError`, the container answered with an error status.
            BotoCoreError: It did not answer, or not in time.
        """
        for left in range(self._tries - 1, -1, -1):
            try:
                response = self._client.invoke_endpoint(body, **self._parameters)
                with contextlib.closing(response["Body"]) as answer:
                    return answer.read(), response.get("ContentType", "")
            except (ClientError, BotoCoreError):
                if not left:
                    raise
        raise AssertionError


def _as_it_is(record: bytes) -> tuple[list[Any], bytes]:
    return [], record


def _execution_parameters(url: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Ask the container for its parameters, as the platform does (DG batch-transform)."""
    answer = proxies.exchange(
        "GET", f"{url}/execution-parameters", timeout_s=contract.PING_TIMEOUT_S
    )
    if answer.status >= http.client.BAD_REQUEST:
        return {}
    wanted = json.loads(answer.body)
    known = ("BatchStrategy", "MaxPayloadInMB")
    return {name: wanted[name] for name in known if name in wanted and name not in settings}
