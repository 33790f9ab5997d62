"""The settings of the server, read from the environment once, at start.

docs/configuration.md is generated from the fields of `Settings`.

Sources: SageMaker Developer Guide, inference-pipeline-real-time (SAGEMAKER_BIND_TO_PORT);
sagemaker-inference-toolkit, parameters.py (the other SAGEMAKER_ names).
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Self

from byoi import contract, errors
from byoi.formats import limits
from byoi.server import execution_parameters, standard_variables
from byoi.server.locations import Locations
from byoi.server.variables import (
    LEVEL_NAMES,
    parse_address,
    parse_flag,
    parse_log_level,
    parse_media_type,
    parse_modules,
    parse_proxy,
    parse_seconds,
    parse_strategy,
    parse_switch,
    parse_truth,
    parse_whole,
    parse_word,
    parse_workers,
    parsed,
    setting,
)

# Variables that start with BYOI_ and are read elsewhere; any other unknown one is a typo.
OTHER_VARIABLES = {
    "BYOI_ALLOW_PICKLE": "`1` loads a pickle or joblib file, which may run any program; read by "
    "`byoi.models`.",
    "BYOI_BUCKET": "The S3 bucket for model data; read by `byoi deploy` and `byoi.hosting`.",
    "BYOI_CALLS_FILE": "A file for each call that an emulator answers; read by `byoi.emulator`.",
    "BYOI_PLATFORM": "`emulator` or `aws`: where the notebooks deploy to; read by `byoi.emulator`.",
    "BYOI_REQUIRE_ALL": "`1` turns a skipped test into a failure; read by the tests.",
    "BYOI_ROLE_ARN": "The execution role of endpoints; read by `byoi deploy` and `byoi.hosting`.",
    "BYOI_RUNTIME": "`onnx` or `keras`: the runtime of the network; read by `byoi_lib.inference`.",
    "BYOI_TRACEBACK": "`1` makes the command show the traceback of an unexpected error.",
    "BYOI_TRAINING_SCRIPT": "The script that the image's `train` runs; `byoi image` sets it.",
    "BYOI_TRUSTED_TYPES": "Names of types, separated by commas, that a `.skops` file may "
    "contain in addition to those that skops trusts; read by `byoi.models`.",
    "BYOI_UNPACK_LIMIT_BYTES": "Maximum size of an unpacked archive; read when one is unpacked.",
    "BYOI_UNPACK_LIMIT_MEMBERS": "Maximum number of files and folders in an archive.",
    "BYOI_UNPACK_LIMIT_DEPTH": "Maximum depth of the folders in an archive.",
    "BYOI_STATE_DIR": "Set by `serve` for its own processes; any other value is replaced.",
}
THREADS_VARIABLE = "BYOI_THREADS"
BATCH_SIZE_VARIABLE = "BYOI_BATCH_SIZE"


@dataclass(frozen=True)
class Settings(Locations):
    """One field for each variable, with its meaning, beside those of `Locations`."""

    port: int = setting(
        contract.BIND_TO_PORT_VARIABLE,
        parse_whole(1, 65535),
        contract.PORT,
        "TCP port; SageMaker sets it if several containers share one instance.",
    )
    bind_address: str = setting(
        "BYOI_BIND_ADDRESS",
        parse_address,
        "0.0.0.0",  # noqa: S104 - the contract: on all interfaces
        "IPv4 address to listen on: 0.0.0.0 for SageMaker, 127.0.0.1 for this machine only.",
    )
    install_requirements: int = setting(
        "BYOI_INSTALL_REQUIREMENTS",
        parse_flag,
        0,
        "`1` installs the `requirements.txt` of the script at each start, as AWS's containers do: "
        "with pip and pip's usual settings, into a directory below /tmp. This makes each start "
        "slower and does not work with network isolation. Only in a container.",
    )
    workers: int = setting(
        "SAGEMAKER_MODEL_SERVER_WORKERS",
        parse_workers,
        0,
        "Number of worker processes, each with the whole model. `auto`: one per CPU of the "
        "container, at least two, so that one serves while the other is replaced; fewer, down to "
        "one, if the memory is too small (estimated from the size of the model data). A log line "
        "at start has the number, the reason and the measured memory of a worker. A number is "
        "used as given.",
    )
    threads: int = setting(
        THREADS_VARIABLE,
        parse_whole(0, 256),
        0,
        "Requests that a worker runs at the same time; more wait. 0: the value of `BYOI_THREADS` "
        "in the inference module or in its model, or 1 without it, because a model may store data "
        "that two requests at the same time would mix up.",
    )
    batch_size: int = setting(
        BATCH_SIZE_VARIABLE,
        parse_whole(0, 256),
        0,
        "Maximum number of requests that `predict_fn` gets in one call, as a list of the results "
        "of `input_fn`. 0: the value of `BYOI_BATCH_SIZE` in the inference module; without it, "
        "`predict_fn` gets single requests, not lists.",
    )
    batch_wait_ms: int = setting(
        "BYOI_BATCH_WAIT_MS",
        parse_whole(0, 10_000),
        0,
        "Milliseconds for which a request may wait for others, to share a call of `predict_fn`. "
        "0: requests that are ready at the same time share a call, and none waits.",
    )
    invocation_timeout_s: float = setting(
        "BYOI_INVOCATION_TIMEOUT_S",
        parse_seconds,
        float(contract.INVOCATION_TIMEOUT_S),
        "Seconds for one invocation, at most 3,600. After that the client gets 504 and the worker "
        f"is replaced. In a batch transform the default is {contract.TRANSFORM_TIMEOUT_S}, and the "
        "time of waiting for a worker does not count. SageMaker does not pass the job's "
        "`InvocationsTimeoutInSeconds` to the container: if it is longer, set this variable to "
        "the same value.",
    )
    stream_timeout_s: float = setting(
        "BYOI_STREAM_TIMEOUT_S",
        parse_seconds,
        float(contract.STREAM_TIMEOUT_S),
        "Seconds from the first piece of a streamed response to its end; then the connection is "
        "closed. For the first piece, `BYOI_INVOCATION_TIMEOUT_S` applies.",
    )
    body_timeout_s: float = setting(
        "BYOI_BODY_TIMEOUT_S",
        parse_seconds,
        15.0,
        "Seconds between two pieces of a request body. After that the client gets 408, and also "
        "if the whole body takes longer than a minute and a second more for each 500 bytes.",
    )
    body_limit_bytes: int = setting(
        "BYOI_BODY_LIMIT_BYTES",
        parse_whole(0, 2**30),
        contract.REQUEST_BODY_BYTES,
        "Maximum size of a request body; a larger one gets 413. 0: no limit. In a batch "
        f"transform, the limit is the first that is set of `{contract.PAYLOAD_VARIABLE}`, this "
        f"variable, and `MaxPayloadInMB` in `{execution_parameters.VARIABLE}`; the default is then "
        f"{contract.TRANSFORM_PAYLOAD_MB} MB.",
    )
    is_batch: bool = setting(
        contract.BATCH_VARIABLE,
        parse_truth,
        False,
        "`true` (in any case) for a batch transform; set by SageMaker. The limits are then those "
        "of a batch transform, and a streamed response is sent as a whole.",
    )
    payload_mb: int | None = setting(
        contract.PAYLOAD_VARIABLE,
        parse_whole(0, 1024),
        None,
        "Maximum size of a request body in MB (2^20 bytes), 0 for no limit; set by SageMaker in a "
        "batch transform if the job has `MaxPayloadInMB`. On an endpoint it is another name of "
        "`BYOI_BODY_LIMIT_BYTES`, in MB, as in AWS's toolkit.",
    )
    strategy: str = setting(
        contract.STRATEGY_VARIABLE,
        parse_strategy,
        "",
        "`SINGLE_RECORD` or `MULTI_RECORD`; set by SageMaker in a batch transform if the job has "
        "`BatchStrategy`. It is checked and logged, and has no other effect.",
    )
    concurrent_transforms: int = setting(
        contract.CONCURRENT_TRANSFORMS_VARIABLE,
        parse_whole(0, 1000),
        0,
        "Requests that a batch transform sends at the same time; set by SageMaker if the job has "
        "`MaxConcurrentTransforms`. If the workers run fewer, a log line at start says so.",
    )
    execution_parameters: str = setting(
        execution_parameters.VARIABLE,
        execution_parameters.parse,
        "",
        "The response of `GET /execution-parameters`, from which SageMaker takes what the job of "
        'a batch transform does not set: `{"MaxConcurrentTransforms": 2, "BatchStrategy": '
        '"MultiRecord", "MaxPayloadInMB": 6}`, or a part of it. Default: '
        "`BYOI_EXECUTION_PARAMETERS` in the inference module (a dict), else 404.",
    )
    record_errors: int = setting(
        "BYOI_TRANSFORM_RECORD_ERRORS",
        parse_flag,
        0,
        "`1`: in a batch transform, a record that gets 400 is replaced by an error (`ERROR` in "
        'CSV, `{"error": ..., "message": ...}` in JSON), and the other records get predictions. '
        "0: the value of `BYOI_TRANSFORM_RECORD_ERRORS` in the inference module; without it, the "
        "whole request gets 400, and the file has no output.",
    )
    line_end: int = setting(
        "BYOI_TRANSFORM_LINE_END",
        parse_flag,
        0,
        "`1`: in a batch transform, a text response ends with a line break, as needed for "
        "`AssembleWith` None. 0: it ends without one, whatever the module returns: `AssembleWith` "
        "Line adds one.",
    )
    instances_limit: int = setting(
        limits.VARIABLE,
        parse_whole(1, limits.LARGEST),
        limits.DEFAULT,
        "Maximum number of rows, lines or texts in one request. More get 413 before they are "
        "decoded. A body of 25 MB has 1.6 million rows of four numbers with 16 bytes each, which "
        "are accepted; 8.7 million empty texts would take 2 GB of memory and a minute.",
    )
    default_accept: str = setting(
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
        parse_media_type,
        "application/json",
        "Media type of the response if the request has no Accept header.",
    )
    log_level: str = setting(
        "SAGEMAKER_CONTAINER_LOG_LEVEL",
        parse_log_level,
        "INFO",
        "Lowest level of the lines that Python's logging writes to stderr: a name in any case "
        f"({LEVEL_NAMES}), or a number of Python's logging from 0 to "
        "50. If it is not set: `LOG_LEVEL`, then `SAGEMAKER_GUNICORN_LOGLEVEL`.",
    )
    proxy: str = setting(
        "BYOI_NGINX",
        parse_proxy,
        "auto",
        "`auto` uses nginx if it is installed; `off` runs gunicorn without nginx.",
    )
    page: str = setting(
        "BYOI_PAGE",
        parse_switch,
        "off",
        "`on` serves a page at `/`: inputs and outputs of the model, a form, the latest requests, "
        "`/openapi.json`. Requests with another Host or Origin than this machine then get 403. "
        "`byoi serve` sets it to `on` by default if it listens on 127.0.0.1.",
    )
    reload: str = setting(
        "BYOI_RELOAD",
        parse_switch,
        "off",
        "`on` reloads changed code before the next request, and the model if its files or the "
        "code around it changed. For development; set by `byoi serve --reload`.",
    )
    sample_request: str = setting(
        "BYOI_SAMPLE_REQUEST",
        parse_word,
        "",
        "File with a request body for the form of the page; `byoi serve` sets it to the project's "
        "sample request.",
    )
    preload: str = setting(
        "BYOI_PRELOAD",
        parse_modules,
        "",
        "Modules, separated by commas, to import once before the workers are forked, so that the "
        "workers share their memory. Only modules that start no threads when they are imported; "
        "TensorFlow is refused. Default of the image: `numpy,onnxruntime`.",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read and check every variable.

        Raises:
            ConfigurationError: A value cannot be used, a variable that starts with BYOI_ is
                unknown, or one asks for something that this server does not support; the message
                has name and value.
        """
        standard_variables.refuse(environ)
        fields = {field.metadata["variable"]: field for field in dataclasses.fields(cls)}
        for name in sorted(environ):
            if name.startswith("BYOI_") and name not in fields and name not in OTHER_VARIABLES:
                import difflib  # noqa: PLC0415 - needed only on this failure

                near = difflib.get_close_matches(name, [*fields, *OTHER_VARIABLES], n=1)
                remedy = f"did you mean {near[0]}?" if near else "remove it;"
                raise errors.ConfigurationError(
                    f"{name}={environ[name]!r}: no such setting; {remedy} "
                    "docs/configuration.md lists them all"
                )
        values = {}
        for variable, field in fields.items():
            names = standard_variables.names_of(variable, environ)
            found = [parsed(name, environ[name], field.metadata["parse"]) for name in names]
            if any(value != found[0] for value in found):
                said = " and ".join(f"{name}={environ[name]!r}" for name in names)
                raise errors.ConfigurationError(
                    f"{said} are names of the same setting and have different values; set them to "
                    f"one value, or unset all but {names[0]}"
                )
            if found:
                values[field.name] = found[0]
        return cls(**values)._with_limits(values.keys())  # noqa: SLF001 - this class

    def _with_limits(self, given: AbstractSet[str]) -> Self:
        """Return the settings with the deadline and body limit for an endpoint or a transform.

        Args:
            given: The fields that variables have set.

        Raises:
            ConfigurationError: Two variables set different limits.
        """
        payload = None if self.payload_mb is None else self.payload_mb * 2**20
        if not self.is_batch:
            if payload is None:
                return self
            if "body_limit_bytes" in given and payload != self.body_limit_bytes:
                raise errors.ConfigurationError(
                    f"BYOI_BODY_LIMIT_BYTES={self.body_limit_bytes} and {contract.PAYLOAD_VARIABLE}"
                    f"={self.payload_mb}, which is {payload} bytes, are one setting; unset one"
                )
            return dataclasses.replace(self, body_limit_bytes=payload)
        changed: dict[str, Any] = {}
        if "invocation_timeout_s" not in given:
            changed["invocation_timeout_s"] = float(contract.TRANSFORM_TIMEOUT_S)
        if payload is None and "body_limit_bytes" not in given:
            payload = execution_parameters.payload_bytes(self.execution_parameters)
            if payload is None:
                payload = contract.TRANSFORM_PAYLOAD_MB * 2**20
        if payload is not None:
            changed["body_limit_bytes"] = payload
        return dataclasses.replace(self, **changed)

    @property
    def answer_timeout_s(self) -> float:
        """Seconds that the client waits for an answer, including the wait for a worker."""
        return contract.TRANSFORM_WAIT_S if self.is_batch else self.invocation_timeout_s

    def to_environ(self) -> dict[str, str]:
        """Return variables from which `from_environ` reads equal settings."""
        values = {
            field.metadata["variable"]: str(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }
        if not self.workers:
            values["SAGEMAKER_MODEL_SERVER_WORKERS"] = "auto"
        for name in ("BYOI_INFERENCE_MODULE", "BYOI_IMAGE_MODULE"):
            if not values[name]:
                del values[name]
        if self.payload_mb is None:
            del values[contract.PAYLOAD_VARIABLE]
        if not self.sample_request:
            del values["BYOI_SAMPLE_REQUEST"]
        if self.model_dir == contract.MODEL_DIR:
            del values["BYOI_MODEL_DIR"]  # unset, so that the baked model remains the fallback
        return values
