"""What an operator may set, read from the environment once, at start.

docs/configuration.md is generated from the fields of `Settings`.

Source of the SAGEMAKER_ names: SageMaker Developer Guide, inference-pipeline-real-time
(SAGEMAKER_BIND_TO_PORT); sagemaker-inference-toolkit, parameters.py (the others).
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from byoi_lib import contract, errors
from byoi_lib.serving import setting_values

# Variables that start with BYOI_ and are read elsewhere; any other unknown one is a typing error.
OTHER_VARIABLES = {
    "BYOI_BUCKET": "The S3 bucket for model data; read by `byoi_lib.hosting`.",
    "BYOI_PLATFORM": "`emulator` or `aws`: what the notebooks deploy to; read by `emulator`.",
    "BYOI_REQUIRE_ALL": "`1` makes a skipped test a failure; read by the tests.",
    "BYOI_ROLE_ARN": "The execution role of endpoints; read by `byoi_lib.hosting`.",
    "BYOI_RUNTIME": "`onnx` or `keras`: what runs the built-in classifier's network.",
    "BYOI_STATE_DIR": "Set by `serve` for its own processes; a value of yours is replaced.",
}
_DEFAULT_MODULE = "byoi_lib.inference"


def _variable(name: str, parse: Callable[[str], Any], default: Any, meaning: str) -> Any:
    """Return the field of one environment variable."""
    return dataclasses.field(
        default=default, metadata={"variable": name, "parse": parse, "meaning": meaning}
    )


@dataclass(frozen=True)
class Settings:
    """One field for each variable; what each means stands beside it."""

    port: int = _variable(
        contract.BIND_TO_PORT_VARIABLE,
        setting_values.whole(1, 65535),
        contract.PORT,
        "TCP port; the platform sets it where several containers share one instance.",
    )
    bind_address: str = _variable(
        "BYOI_BIND_ADDRESS",
        setting_values.address,
        "0.0.0.0",  # noqa: S104 - the contract: on all interfaces
        "IPv4 address to listen on; the platform needs all of them, 127.0.0.1 suits a laptop.",
    )
    model_dir: Path = _variable(  # noqa: RUF009 - a field, as the others
        "BYOI_MODEL_DIR",
        setting_values.path,
        contract.MODEL_DIR,
        "Directory given to `model_fn`. Where it is not set and the default is empty or absent, "
        f"the model data baked into the image at `{contract.BAKED_MODEL_DIR}` is used.",
    )
    inference_module: str = _variable(
        "BYOI_INFERENCE_MODULE",
        setting_values.word,
        _DEFAULT_MODULE,
        "Module with `model_fn`, `input_fn`, `predict_fn` and `output_fn`: a dotted name that "
        "Python can import, or the path of a `.py` file.",
    )
    workers: int = _variable(
        "SAGEMAKER_MODEL_SERVER_WORKERS",
        setting_values.workers,
        2,
        "Processes, each holding a whole model; `auto` is one a CPU. Two by default: while one "
        "is replaced the other serves.",
    )
    threads: int = _variable(
        "BYOI_THREADS",
        setting_values.whole(1, 256),
        4,
        "Requests a worker processes at once; more wait in the queue.",
    )
    invocation_timeout_s: float = _variable(
        "BYOI_INVOCATION_TIMEOUT_S",
        setting_values.seconds,
        float(contract.INVOCATION_TIMEOUT_S),
        "Seconds for one invocation. Past it the client gets 504 and the worker is replaced.",
    )
    body_timeout_s: float = _variable(
        "BYOI_BODY_TIMEOUT_S",
        setting_values.seconds,
        15.0,
        "Seconds between two pieces of a request body. Past it the client gets 408.",
    )
    body_limit_bytes: int = _variable(
        "BYOI_BODY_LIMIT_BYTES",
        setting_values.whole(1, 2**30),
        contract.REQUEST_BODY_BYTES,
        "Largest request body; a larger one gets 413.",
    )
    default_accept: str = _variable(
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
        setting_values.media_type,
        "application/json",
        "Media type of the response where the request has no Accept header.",
    )
    log_level: str = _variable(
        "SAGEMAKER_CONTAINER_LOG_LEVEL",
        setting_values.log_level,
        "INFO",
        "Least level of the lines on stderr that Python's logging writes; a name or a number.",
    )
    proxy: str = _variable(
        "BYOI_NGINX",
        setting_values.proxy,
        "auto",
        "`auto` puts nginx in front where it is installed; `off` serves through gunicorn alone.",
    )
    preload: str = _variable(
        "BYOI_PRELOAD",
        setting_values.modules,
        "",
        "Modules, separated by commas, that are imported once before the workers are forked, so "
        "that these share their memory. Only such as start no thread when imported: TensorFlow "
        "is refused. The default image sets `numpy,onnxruntime`.",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read and check every variable.

        Raises:
            ConfigurationError: A value cannot be used, or a variable that starts with
                BYOI_ is unknown; the message has name and value.
        """
        fields = {field.metadata["variable"]: field for field in dataclasses.fields(cls)}
        for name in sorted(environ):
            if name.startswith("BYOI_") and name not in fields and name not in OTHER_VARIABLES:
                import difflib  # noqa: PLC0415 - no start but this one waits for it

                near = difflib.get_close_matches(name, [*fields, *OTHER_VARIABLES], n=1)
                remedy = f"did you mean {near[0]}?" if near else "remove it;"
                raise errors.ConfigurationError(
                    f"{name}={environ[name]!r}: no such setting; {remedy} "
                    "docs/configuration.md lists them all"
                )
        values = {}
        for name, field in fields.items():
            if name not in environ:
                continue
            try:
                values[field.name] = field.metadata["parse"](environ[name])
            except ValueError as error:
                raise errors.ConfigurationError(
                    f"{name}={environ[name]!r}: expected {error}"
                ) from None
        return cls(**values)

    def to_environ(self) -> dict[str, str]:
        """Return the variables from which `from_environ` makes equal settings."""
        values = {
            field.metadata["variable"]: str(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }
        if self.model_dir == contract.MODEL_DIR:
            del values["BYOI_MODEL_DIR"]  # unset, so that the baked model stays a fallback
        return values

    def model_directory(
        self, *, baked: Path = contract.BAKED_MODEL_DIR, mounted: Path = contract.MODEL_DIR
    ) -> Path:
        """Return the directory to load from.

        Args:
            baked: Where the image's own model data lies, if it has any.
            mounted: Where the platform's would.
        """
        if self.model_dir != contract.MODEL_DIR:
            return self.model_dir
        return baked if _is_empty(mounted) and baked.is_dir() else mounted


def _is_empty(directory: Path) -> bool:
    """Whether there is nothing to load; what cannot be read is for the loader to complain about."""
    try:
        return not any(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
