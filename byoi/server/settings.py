"""The settings of the server, read from the environment once, at start.

docs/configuration.md is generated from the fields of `Settings`. Each variable has a parser
that raises ValueError with what it expected; `Settings` adds the name and the received text.

Sources: SageMaker Developer Guide, inference-pipeline-real-time (SAGEMAKER_BIND_TO_PORT);
sagemaker-inference-toolkit, parameters.py (the other SAGEMAKER_ names).
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from byoi import contract, errors
from byoi.formats import limits
from byoi.server import execution_parameters, standard_variables

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
    "BYOI_TRACEBACK": "`1` lets the command show where an unforeseen error happened.",
    "BYOI_TRAINING_SCRIPT": "The script that the image's `train` runs; `byoi image` sets it.",
    "BYOI_TRUSTED_TYPES": "Names of types, separated by commas, that a `.skops` file may hold "
    "beside those that skops trusts; read by `byoi.models`.",
    "BYOI_UNPACK_LIMIT_BYTES": "Most bytes that an archive may become; read where one is unpacked.",
    "BYOI_UNPACK_LIMIT_MEMBERS": "Most files and folders of an archive; read in the same place.",
    "BYOI_UNPACK_LIMIT_DEPTH": "Most folders in one another; read in the same place.",
    "BYOI_STATE_DIR": "Set by `serve` for its own processes; any other value is replaced.",
}
# The only name of this repository's model that the tool knows, and the file that its model data
# have and no other.
DEFAULT_MODULE = "byoi_lib.inference"
_MANIFEST = "manifest.json"
# Serves model data that are one file of a known library.
MODELS_MODULE = "byoi.models.inference"
# What AWS's containers look for in the model data (sagemaker-inference-toolkit, environment.py).
_SCRIPT = "inference.py"
THREADS_VARIABLE = "BYOI_THREADS"
BATCH_SIZE_VARIABLE = "BYOI_BATCH_SIZE"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Names of other loggers: log4j's, syslog's and nginx's.
_OTHER_LEVELS = {
    "NOTSET": "DEBUG",
    "TRACE": "DEBUG",
    "NOTICE": "INFO",
    "WARN": "WARNING",
    "ERR": "ERROR",
    "CRIT": "CRITICAL",
    "FATAL": "CRITICAL",
    "OFF": "CRITICAL",
}
# They start threads on import, which a fork does not copy.
_NEVER_BEFORE_A_FORK = {"tensorflow", "keras"}


def parse_whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return parse


def parse_seconds(text: str) -> float:
    """Parse a number of seconds, above 0 and at most 3600."""
    wanted = "a number of seconds above 0, at most 3600"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 < number <= 3600:
        raise ValueError(wanted)
    return number


def parse_workers(text: str) -> int:
    """Parse a number of processes, 1 to 256, or `auto`, which is 0: the server chooses."""
    if text == "auto":
        return 0
    try:
        return parse_whole(1, 256)(text)
    except ValueError:
        raise ValueError("a whole number from 1 to 256, or auto") from None


def parse_media_type(text: str) -> str:
    """Parse one media type without parameters."""
    kind, slash, subtype = text.partition("/")
    if not (slash and kind and subtype) or "*" in text or any(c in text for c in ",; \t"):
        raise ValueError("one media type without parameters, for example application/json")
    return text


def parse_log_level(text: str) -> str:
    """Parse a level of logging to its name in Python's.

    Args:
        text: A name in any case, also those of other loggers; or a number of Python's, of which
            one between two levels is the higher: what is below it is not written.
    """
    name = text.strip().upper()
    name = _OTHER_LEVELS.get(name, name)
    if name.isascii() and name.isdigit() and int(name) <= 50:
        name = LOG_LEVELS[max(1, math.ceil(int(name) / 10)) - 1]
    if name not in LOG_LEVELS:
        raise ValueError(
            f"one of {', '.join((*LOG_LEVELS, *_OTHER_LEVELS))} in any case, or a number of "
            "Python's logging from 0 to 50"
        )
    return name


def parse_proxy(text: str) -> str:
    """Parse the choice of the proxy: auto or off."""
    if text not in {"auto", "off"}:
        raise ValueError("auto or off")
    return text


def parse_switch(text: str) -> str:
    """Parse a switch, on or off; 1 and 0 mean the same."""
    switch = {"1": "on", "0": "off"}.get(text, text)
    if switch not in {"on", "off"}:
        raise ValueError("on or off")
    return switch


def parse_flag(text: str) -> int:
    """Parse a yes or no: 1 or 0."""
    if text not in {"0", "1"}:
        raise ValueError("1 or 0")
    return int(text)


def parse_truth(text: str) -> bool:
    """Parse true or false in any case; empty is false."""
    name = text.strip().lower()
    if name not in {"true", "false", "1", "0", ""}:
        raise ValueError("true or false")
    return name in {"true", "1"}


def parse_strategy(text: str) -> str:
    """Parse how a batch transform makes requests of records, in either spelling; empty for none."""
    name = text.strip().replace("_", "").lower()
    if name not in {"singlerecord", "multirecord", ""}:
        raise ValueError("SINGLE_RECORD or MULTI_RECORD")
    return name and f"{name.removesuffix('record')}_record".upper()


def parse_word(text: str) -> str:
    """Parse any text that is not blank."""
    if not text.strip():
        raise ValueError("a value that is not empty")
    return text


def parse_script(text: str) -> str:
    """Parse the name of a Python file, with or without `.py`; empty for none."""
    name = text.strip()
    return name if not name or name.endswith(".py") else f"{name}.py"


def parse_directory(text: str) -> str:
    """Parse a directory, or its file:// URI; empty for none."""
    name = text.strip().removeprefix("file://")
    if "://" in name:
        raise ValueError(
            "a directory of the container. Nothing is fetched at start: give the SDK's Model "
            "model data, so that it packs the code with them, or put the code into the image"
        )
    return name


def parse_modules(text: str) -> str:
    """Parse names of modules, separated by commas, possibly none; spaces are removed."""
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError("names of modules, separated by commas, for example numpy,onnxruntime")
    if {name.split(".")[0] for name in names} & _NEVER_BEFORE_A_FORK:
        raise ValueError(
            "modules other than tensorflow and keras, whose threads a fork does not copy"
        )
    return ",".join(names)


def parse_address(text: str) -> str:
    """Parse an IPv4 address."""
    numbers = parse_word(text).split(".")
    if len(numbers) != 4 or not all(n.isdecimal() and int(n) < 256 for n in numbers):
        raise ValueError("an IPv4 address, for example 127.0.0.1")
    return text


def parse_path(text: str) -> Path:
    """Parse a path to an absolute path."""
    return Path(parse_word(text)).absolute()


def _parsed(name: str, text: str, parse: Callable[[str], Any]) -> Any:
    """Return the value of a variable.

    Raises:
        ConfigurationError: It cannot be used.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise errors.ConfigurationError(f"{name}={text!r}: expected {error}") from None


def _variable(name: str, parse: Callable[[str], Any], default: Any, meaning: str) -> Any:
    """Return the field of one environment variable."""
    return dataclasses.field(
        default=default, metadata={"variable": name, "parse": parse, "meaning": meaning}
    )


@dataclass(frozen=True)
class Settings:
    """One field for each variable, with its meaning."""

    port: int = _variable(
        contract.BIND_TO_PORT_VARIABLE,
        parse_whole(1, 65535),
        contract.PORT,
        "TCP port; the platform sets it if several containers share one instance.",
    )
    bind_address: str = _variable(
        "BYOI_BIND_ADDRESS",
        parse_address,
        "0.0.0.0",  # noqa: S104 - the contract: on all interfaces
        "IPv4 address to listen on; the platform needs 0.0.0.0, 127.0.0.1 is for one machine.",
    )
    model_dir: Path = _variable(  # noqa: RUF009 - a field, like the others
        "BYOI_MODEL_DIR",
        parse_path,
        contract.MODEL_DIR,
        "Directory that `model_fn` gets. If it is not set and the default is empty or absent, "
        f"the model data baked into the image at `{contract.BAKED_MODEL_DIR}` is used.",
    )
    inference_module: str = _variable(
        "BYOI_INFERENCE_MODULE",
        parse_word,
        "",
        "Your inference module: a dotted name that Python can import, or the path of a `.py` "
        "file. Where it is not set: the script of `SAGEMAKER_PROGRAM`, else `code/inference.py` "
        "of the model data, else `BYOI_IMAGE_MODULE`, else "
        f"`{DEFAULT_MODULE}`, the classifier of this repository, where "
        f"they have its `{_MANIFEST}`, else the one model file that they hold.",
    )
    image_module: str = _variable(
        "BYOI_IMAGE_MODULE",
        parse_word,
        "",
        "The inference module of an image of your own, set in its Dockerfile; used where neither "
        "the endpoint's variables nor the model data name one.",
    )
    program: str = _variable(
        contract.PROGRAM_VARIABLE,
        parse_script,
        "",
        "A script in `SAGEMAKER_SUBMIT_DIRECTORY`; what the SDK makes of `entry_point`.",
    )
    submit_directory: str = _variable(
        contract.SUBMIT_DIRECTORY_VARIABLE,
        parse_directory,
        "",
        "The directory of the script and of the modules beside it; what the SDK makes of "
        "`source_dir`. By default `code` in the model data. It is importable, and so is `lib` "
        "in it.",
    )
    install_requirements: int = _variable(
        "BYOI_INSTALL_REQUIREMENTS",
        parse_flag,
        0,
        "`1` installs the `requirements.txt` beside the script at each start, as AWS's containers "
        "do: with pip, its variables and its files, into a directory under /tmp. It costs each "
        "start seconds, and fails under network isolation. In a container only.",
    )
    workers: int = _variable(
        "SAGEMAKER_MODEL_SERVER_WORKERS",
        parse_workers,
        0,
        "Processes, each with a whole model. `auto`: one per CPU of the container, at least two, "
        "so that one serves while the other is replaced; fewer, down to one, where the container's "
        "memory does not hold them, reckoned from the size of the model data. A line at start says "
        "what was chosen, why, and what a worker was measured to take. A number is always kept.",
    )
    threads: int = _variable(
        THREADS_VARIABLE,
        parse_whole(0, 256),
        0,
        "Requests that a worker processes at once; more wait in the queue. 0 is what the inference "
        "module, or its model, says in its own `BYOI_THREADS`, and 1 where it says nothing: a "
        "model may keep something that two requests at once would mix up.",
    )
    batch_size: int = _variable(
        BATCH_SIZE_VARIABLE,
        parse_whole(0, 256),
        0,
        "Most requests that `predict_fn` gets in one call, as a list of what `input_fn` returned. "
        "0 is what the inference module says in its own `BYOI_BATCH_SIZE`, and 1 where it says "
        "nothing: then `predict_fn` gets no list.",
    )
    batch_wait_ms: int = _variable(
        "BYOI_BATCH_WAIT_MS",
        parse_whole(0, 10_000),
        0,
        "Milliseconds for which a request waits for others to go with it. 0: what is ready "
        "together goes together, and nobody waits.",
    )
    invocation_timeout_s: float = _variable(
        "BYOI_INVOCATION_TIMEOUT_S",
        parse_seconds,
        float(contract.INVOCATION_TIMEOUT_S),
        "Seconds for one invocation, at most 3,600. After that the client gets 504 and the worker "
        f"is replaced. In a batch transform, where it is not set, {contract.TRANSFORM_TIMEOUT_S}: "
        "the platform does not tell the container what the job says in "
        "`InvocationsTimeoutInSeconds`, and that is its default; a job that says more sets this, "
        "too. There the time that a request waits for a free worker does not count.",
    )
    stream_timeout_s: float = _variable(
        "BYOI_STREAM_TIMEOUT_S",
        parse_seconds,
        float(contract.STREAM_TIMEOUT_S),
        "Seconds for a response that is sent in pieces, from its first piece on; the first one "
        "has the time of an invocation. After that the connection is closed before its end.",
    )
    body_timeout_s: float = _variable(
        "BYOI_BODY_TIMEOUT_S",
        parse_seconds,
        15.0,
        "Seconds between two pieces of a request body. After that the client gets 408.",
    )
    body_limit_bytes: int = _variable(
        "BYOI_BODY_LIMIT_BYTES",
        parse_whole(0, 2**30),
        contract.REQUEST_BODY_BYTES,
        "Largest request body; a larger one gets 413. 0 is no limit. In a batch transform it is "
        f"what `{contract.PAYLOAD_VARIABLE}` says, else what this says, else the `MaxPayloadInMB` "
        f"of `{execution_parameters.VARIABLE}`, else {contract.TRANSFORM_PAYLOAD_MB} MB.",
    )
    is_batch: bool = _variable(
        contract.BATCH_VARIABLE,
        parse_truth,
        False,
        "`true`, in any case: this is a batch transform; the platform sets it. Then deadline and "
        "largest body are those of a transform, and an answer in pieces is sent as a whole.",
    )
    payload_mb: int | None = _variable(
        contract.PAYLOAD_VARIABLE,
        parse_whole(0, 1024),
        None,
        "Largest request body in MB (2^20 bytes), 0 for no limit; the platform sets it in a batch "
        "transform whose job says `MaxPayloadInMB`. On an endpoint it is the same as "
        "`BYOI_BODY_LIMIT_BYTES`, as for AWS's toolkit.",
    )
    strategy: str = _variable(
        contract.STRATEGY_VARIABLE,
        parse_strategy,
        "",
        "`SINGLE_RECORD` or `MULTI_RECORD`; the platform sets it in a batch transform whose job "
        "says `BatchStrategy`. It is checked, and told in the log; a request of one record and "
        "one of many are answered in the same way.",
    )
    concurrent_transforms: int = _variable(
        contract.CONCURRENT_TRANSFORMS_VARIABLE,
        parse_whole(0, 1000),
        0,
        "Requests that a batch transform sends at once; the platform sets it where the job says "
        "`MaxConcurrentTransforms`. Where the workers run fewer at once, a line at start says so.",
    )
    execution_parameters: str = _variable(
        execution_parameters.VARIABLE,
        execution_parameters.parse,
        "",
        "The answer to `GET /execution-parameters`, by which a batch transform is told to send "
        'what its job does not say: `{"MaxConcurrentTransforms": 2, "BatchStrategy": '
        '"MultiRecord", "MaxPayloadInMB": 6}`, or part of it. Where it is not set, what the '
        "inference module says in its own `BYOI_EXECUTION_PARAMETERS`, a dict, else 404.",
    )
    record_errors: int = _variable(
        "BYOI_TRANSFORM_RECORD_ERRORS",
        parse_flag,
        0,
        "`1`: in a batch transform a record that gets a 400 becomes an error in its place, `ERROR` "
        'in CSV and `{"error": ..., "message": ...}` in JSON, and the others are answered. 0 is '
        "what the inference module says in its own `BYOI_TRANSFORM_RECORD_ERRORS`, and nothing "
        "where it says nothing: then the request gets the 400, and the file fails.",
    )
    line_end: int = _variable(
        "BYOI_TRANSFORM_LINE_END",
        parse_flag,
        0,
        "`1`: in a batch transform a text ends with a line break, so that the answers can be "
        "joined with `AssembleWith` None. 0: it ends without one, whatever the module returns: "
        "`AssembleWith` Line adds one, and a second one would be an empty record.",
    )
    instances_limit: int = _variable(
        limits.VARIABLE,
        parse_whole(1, limits.LARGEST),
        limits.DEFAULT,
        "Most instances of one request: rows, lines or texts. More get 413 before anything is made "
        "of them. A body of 25 MB has 1.6 million rows of four numbers, which pass; 8.7 million "
        "empty texts would take 2 GB and a minute.",
    )
    default_accept: str = _variable(
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
        parse_media_type,
        "application/json",
        "Media type of the response if the request has no Accept header.",
    )
    log_level: str = _variable(
        "SAGEMAKER_CONTAINER_LOG_LEVEL",
        parse_log_level,
        "INFO",
        "Lowest level of the lines that Python's logging writes to stderr: a name in any case "
        f"({', '.join((*LOG_LEVELS, *_OTHER_LEVELS))}), or a number of Python's logging from 0 to "
        "50. Where it is not set, `LOG_LEVEL`, else `SAGEMAKER_GUNICORN_LOGLEVEL`.",
    )
    proxy: str = _variable(
        "BYOI_NGINX",
        parse_proxy,
        "auto",
        "`auto` puts nginx in front if it is installed; `off` serves through gunicorn alone.",
    )
    page: str = _variable(
        "BYOI_PAGE",
        parse_switch,
        "off",
        "`on` puts a page at `/`: what the model takes and gives, a form to ask it, the last "
        "requests, `/openapi.json`. While it is on, a request from another Host or Origin than "
        "this machine gets 403. `byoi serve` sets `on` where nothing is set.",
    )
    reload: str = _variable(
        "BYOI_RELOAD",
        parse_switch,
        "off",
        "`on` loads changed code before the next request, and the model where its files or the "
        "code around it changed: for development; `byoi serve --reload` sets it.",
    )
    sample_request: str = _variable(
        "BYOI_SAMPLE_REQUEST",
        parse_word,
        "",
        "A file with a request body, which the page's form starts with; `byoi serve` names the "
        "project's own.",
    )
    preload: str = _variable(
        "BYOI_PRELOAD",
        parse_modules,
        "",
        "Modules, separated by commas, to import once before the workers are forked, so that "
        "these share their memory. Only modules that start no thread on import: TensorFlow is "
        "refused. The default image sets `numpy,onnxruntime`.",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read and check every variable.

        Raises:
            ConfigurationError: A value cannot be used, a variable that starts with BYOI_ is
                unknown, or one asks for what this server does not do; the message has name
                and value.
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
            found = [_parsed(name, environ[name], field.metadata["parse"]) for name in names]
            if any(value != found[0] for value in found):
                said = " and ".join(f"{name}={environ[name]!r}" for name in names)
                raise errors.ConfigurationError(
                    f"{said} are one setting under several names here; give them one value, or "
                    f"unset all but {names[0]}"
                )
            if found:
                values[field.name] = found[0]
        return cls(**values)._with_limits(values.keys())  # noqa: SLF001 - this class

    def _with_limits(self, given: AbstractSet[str]) -> Self:
        """Return the settings with the deadline and the largest body of what this is.

        Args:
            given: The fields that variables have set.

        Raises:
            ConfigurationError: Two variables say different limits.
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
        """Seconds in which an answer is waited for, those of waiting for a worker included."""
        return contract.TRANSFORM_WAIT_S if self.is_batch else self.invocation_timeout_s

    def to_environ(self) -> dict[str, str]:
        """Return the variables from which `from_environ` reads equal settings."""
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

    def module(self) -> str:
        """Return the inference module to serve: a dotted name, or the path of a `.py` file."""
        if self.inference_module:
            return self.inference_module
        script = self.code_directory() / (self.program or _SCRIPT)
        if self.program or self.submit_directory or script.is_file():
            return str(script)
        if self.image_module:
            return self.image_module
        is_ours = (self.model_directory() / _MANIFEST).is_file()
        return DEFAULT_MODULE if is_ours else MODELS_MODULE

    def unused_script(self) -> Path | None:
        """Return the script of the SDK or the model data that `BYOI_INFERENCE_MODULE` hides."""
        script = self.code_directory() / (self.program or _SCRIPT)
        is_hidden = self.inference_module and script != Path(self.inference_module).absolute()
        return script if is_hidden and script.is_file() else None

    def code_directory(self) -> Path:
        """Return the directory of the scripts that come with the model data."""
        if self.submit_directory:
            return Path(self.submit_directory).absolute()
        return self.model_directory() / "code"

    def model_directory(
        self, *, baked: Path = contract.BAKED_MODEL_DIR, mounted: Path = contract.MODEL_DIR
    ) -> Path:
        """Return the directory to load the model from.

        Args:
            baked: Where an image has its own model data, if any.
            mounted: Where the platform mounts model data, if any.
        """
        if self.model_dir != contract.MODEL_DIR:
            return self.model_dir
        return baked if _is_empty(mounted) and baked.is_dir() else mounted


def _is_empty(directory: Path) -> bool:
    """Whether a directory has no entry; the loader reports one that cannot be read."""
    try:
        return not any(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
