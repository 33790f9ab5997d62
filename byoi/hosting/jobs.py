"""Jobs in local mode: training and batch transform, which fail with the reason and clean up."""

import contextlib
import copy
import datetime as dt
import json
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

from sagemaker.local.entities import _LocalTransformJob

from byoi import contract, errors
from byoi.hosting import staging
from byoi.hosting.container import LocalContainer
from byoi.hosting.runtime_client import RuntimeClient


class TrainingContainer(LocalContainer):
    """The containers of one training job.

    Attributes:
        failure: Content of their /opt/ml/output/failure, or "".
    """

    failure = ""

    def train(self, *arguments: Any) -> str:
        """Run a training job as the SDK does, with its output in `log`; return its model's URI.

        Raises:
            JobFailedError: A container ended with another status than 0; the message has
                the content of its /opt/ml/output/failure.
        """
        with (
            self.log.open("a") as stream,
            contextlib.redirect_stdout(stream),
            warnings.catch_warnings(),
        ):
            # The SDK leaves the pipe to its compose process to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                return str(super().train(*arguments))
            except RuntimeError as error:
                status = str(error).rpartition(": ")[2]
            finally:
                self.remove()
                # What the container wrote belongs to root.
                self.place.engine.unlock(self.workspace, self.image)
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
    """One batch transform: a container of its own, and one output file for each input file."""

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
            ConfigurationError: The input has no content type.
            JobFailedError: An invocation was answered with an error status.
            EndpointFailedError: The container did not become healthy.
        """
        self.transform_resources = transform_resources
        self.input_data = copy.deepcopy(input_data)
        self.output_data = output_data
        self.container = container
        self.start_time = dt.datetime.now(dt.UTC)
        self.state = "Failed"  # unless the end is reached
        try:
            self._run(container, settings)
        except self.local_session.sagemaker_runtime_client.exceptions.ModelError as error:
            raise errors.JobFailedError(
                f"batch transform {self.name} stopped at the first invocation that failed, and "
                f"wrote no output: {error}; the container's log is in {container.log}"
            ) from error
        finally:
            container.stop_serving()
        self.end_time = dt.datetime.now(dt.UTC)
        self.state = self._COMPLETED

    def _run(self, container: LocalContainer, settings: dict[str, Any]) -> None:
        if not self.input_data.get("ContentType"):
            raise errors.ConfigurationError(
                "a batch transform in local mode needs a content type; "
                'call transform(..., content_type="application/jsonlines")'
            )
        source = self.input_data["DataSource"]["S3DataSource"]
        source["S3Uri"] = staging.stage_channel(source["S3Uri"], container.workspace)
        container.serve(
            self.primary_container["ModelDataUrl"], self._get_container_environment(**settings)
        )
        settings |= _execution_parameters(container.url, settings)
        settings |= self._get_required_defaults(**settings)
        self.batch_strategy = settings["BatchStrategy"]
        self._send_to(container.url)
        self._perform_batch_inference(self.input_data, self.output_data, **settings)

    def _send_to(self, url: str) -> None:
        # The SDK names no endpoint when it invokes; this copy of the session needs none.
        session = copy.copy(self.local_session)
        session.sagemaker_runtime_client = RuntimeClient(
            lambda _name: url, boto_session=session.boto_session
        )
        self.local_session = session

    def _get_working_directory(self) -> str:
        # Not mkdtemp: the output directory takes over this one's mode, which would be 0700.
        directory = Path(self.container.workspace, "output")
        directory.mkdir()
        return str(directory)


def _execution_parameters(url: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Ask the container for its parameters, as the platform does (DG batch-transform)."""
    # Without the proxies of the environment, which do not reach this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(
            f"{url}/execution-parameters", timeout=contract.PING_TIMEOUT_S
        ) as response:
            wanted = json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        return {}
    known = ("BatchStrategy", "MaxPayloadInMB")
    return {name: wanted[name] for name in known if name in wanted and name not in settings}
