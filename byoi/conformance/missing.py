"""What a server that has ended did not find: a package, a library, a driver, or a hidden file.

Only the last lines of its log are searched: a library that is optional is often missing, too.

Sources: error messages of Python, Node.js, R, the C library's loader, CUDA, PyTorch, TensorFlow,
vLLM and NVML; DG your-algorithms-inference-code (the platform brings NVIDIA's driver on its GPU
instances); DG your-algorithms-training-algo-dockerfile (/opt/ml is reserved).
"""

import re
import sys
from collections.abc import Callable

from byoi import contract
from byoi.conformance import log_lines
from byoi.conformance.verdict import Broken

_DRIVER = re.compile(
    r"\blib(?:cuda|nvidia-[\w-]+|nvcuvid|nvoptix|cudadebugger)\.so[.\d]*\b"
    r"(?=.{0,40}(?:cannot open|not found|no such|could not))"
    r"|(?i:could not load|unable to load|cannot find|failed to load)[^|]{0,60}"
    r"\blib(?:cuda|nvidia-[\w-]+)\.so"
    r"|CUDA driver version is insufficient|CUDA driver initialization failed"
    r"|Found no NVIDIA driver|No CUDA GPUs are available|no CUDA-capable device"
    r"|cudaErrorNoDevice|cudaErrorInsufficientDriver|CUDA_ERROR_NO_DEVICE"
    r"|CUDA error: (?:unknown error|initialization error)"
    r"|CUDA device but torch\.cuda\.is_available\(\) is False"
    r"|NVML_ERROR_LIBRARY_NOT_FOUND|NVMLError_LibraryNotFound|NVML Shared Library Not Found"
    r"|Failed to infer device type|NVIDIA-SMI has failed"
    r"|nvidia-smi: (?:command )?not found|No such file or directory: '(?:/usr/bin/)?nvidia-smi'"
)
_PACKAGE = re.compile(
    r"No module named '?([\w.]+)'?|Cannot find (?:module|package) '([\w@./-]+)'"
    r"|there is no package called .([\w.]+)."
)
_LIBRARY = re.compile(r"\b([\w.+-]+\.so(?:\.[\w.]+)?): cannot open shared object file")
_BELOW_RESERVED = re.compile(r"/opt/ml(?:/[\w.@+=-]+)+")
_MODEL_ITSELF = re.compile(rf"{contract.MODEL_DIR}\b")
KEEP_ELSEWHERE = (
    "keep what the image brings outside of /opt/ml, such as in /opt/model: the platform's mounts "
    "hide what an image has there"
)
# What a program says of a model that it does not find.
_NO_MODEL = re.compile(
    r"(?i:no such file|not found|does not exist|missing|cannot open|not load)[^|]*(?i:model)"
    r"|(?i:model)[^|]*(?i:no such file|not found|does not exist|missing|cannot open|not load)"
)


class NeedsDriver(Broken):
    """It needs the driver of a GPU, which only a GPU instance has."""


def driver(end: str) -> NeedsDriver | None:
    """Return the problem that NVIDIA's driver is missing, None if the log's end has another.

    Args:
        end: The end of a log, as `log_lines.last` returns it.
    """
    found = _DRIVER.search(end)
    if found is None:
        return None
    line = next(part for part in end.split(" | ") if found[0] in part)
    return NeedsDriver(
        "it needs a GPU and NVIDIA's driver, which GPU instances bring and this check does not "
        f"have: {log_lines.cut(line)}",
        "deploy it to a GPU instance type, such as ml.g5.xlarge; or let it start without a GPU, "
        "then it can be checked here, too",
    )


def in_image(end: str) -> tuple[str, str] | None:
    """Return what is missing in the image and what to do, None if the log's end names nothing.

    Args:
        end: The end of a log, as `log_lines.last` returns it.
    """
    if found := _PACKAGE.search(end):
        name = next(name for name in found.groups() if name)
        first = name.partition(".")[0]
        if first in sys.stdlib_module_names and not first.startswith("_"):
            return (
                f"Python does not find {name} of its own library",
                "leave PYTHONHOME and PYTHONPATH out of the image, and use one whole Python",
            )
        return (
            f"the package {name} is not in the image",
            (
                f"install {name} in the Dockerfile for the interpreter that serves; or, if it is "
                "a file of your own, COPY it to where that looks: the WORKDIR or PYTHONPATH"
            ),
        )
    if found := _LIBRARY.search(end):
        return (
            f"the library {found[1]} is not in the image",
            (
                f"install the system's package that has {found[1]} in the Dockerfile, and in the "
                "last stage of a build in stages"
            ),
        )
    return None


def hidden(end: str, read_file: Callable[[str], bytes | None]) -> str:
    """Return the path of a file that a start did not find though the image has it, else "".

    Args:
        end: The end of a log, as `log_lines.last` returns it.
        read_file: Reads a file of the image.
    """
    paths = dict.fromkeys(_BELOW_RESERVED.findall(end))
    return next((path for path in paths if read_file(path) is not None), "")


def names_model_dir(end: str) -> bool:
    """Whether the end of a log names the folder of the model data."""
    return _MODEL_ITSELF.search(end) is not None


def may_need_model(end: str, log: str) -> bool:
    """Whether a missing model may be the cause: the log's end says so, or has no error at all.

    Args:
        end: The end of the log, as `log_lines.last` returns it.
        log: The log.
    """
    return _NO_MODEL.search(end) is not None or not log_lines.last_telling(log)
