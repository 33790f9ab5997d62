"""The settings that locate the model data and the inference module, and their order.

Source: sagemaker-inference-toolkit, environment.py and parameters.py (the script of the model data,
and the variables that name another one).
"""

from dataclasses import dataclass
from pathlib import Path

from byoi import contract
from byoi.server.variables import (
    parse_directory,
    parse_path,
    parse_script,
    parse_word,
    setting,
)

# The module of this repository's model, and a file that only its model data have. No other part of
# the library knows that model.
DEFAULT_MODULE = "byoi_lib.inference"
_MANIFEST = "manifest.json"
# Serves model data with one model file of a known library.
MODELS_MODULE = "byoi.models.inference"
# The script that AWS's containers look for in the model data (sagemaker-inference-toolkit,
# environment.py).
_SCRIPT = "inference.py"


@dataclass(frozen=True)
class Locations:
    """One field for each variable, with its meaning."""

    model_dir: Path = setting(  # noqa: RUF009 - a field, like the others
        "BYOI_MODEL_DIR",
        parse_path,
        contract.MODEL_DIR,
        "Model directory, passed to `model_fn`. If it is not set and the default is empty or "
        f"absent, the model in the image at `{contract.BAKED_MODEL_DIR}` is used.",
    )
    inference_module: str = setting(
        "BYOI_INFERENCE_MODULE",
        parse_word,
        "",
        "Your inference module: a dotted name that Python can import, or the path of a `.py` "
        "file. Default: the first that exists of the script of `SAGEMAKER_PROGRAM`, "
        f"`code/inference.py` in the model data, `BYOI_IMAGE_MODULE`, `{DEFAULT_MODULE}` (the "
        f"example's, if the model directory has a `{_MANIFEST}`), and the module that serves one "
        "model file.",
    )
    image_module: str = setting(
        "BYOI_IMAGE_MODULE",
        parse_word,
        "",
        "The inference module of your image, set in its Dockerfile. Used if neither the "
        "endpoint's variables nor the model data name one.",
    )
    program: str = setting(
        contract.PROGRAM_VARIABLE,
        parse_script,
        "",
        "A script in `SAGEMAKER_SUBMIT_DIRECTORY`; set by the SDK from `entry_point`.",
    )
    submit_directory: str = setting(
        contract.SUBMIT_DIRECTORY_VARIABLE,
        parse_directory,
        "",
        "The directory of the script and of the modules beside it; set by the SDK from "
        "`source_dir`. Default: `code` in the model data. This directory and its folder `lib` are "
        "on Python's path.",
    )

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
        """Return a script that is not used because of `BYOI_INFERENCE_MODULE`, else None."""
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
            baked: Directory of the image's own model data, if any.
            mounted: Directory where the platform mounts model data, if any.
        """
        if self.model_dir != contract.MODEL_DIR:
            return self.model_dir
        return baked if _is_empty(mounted) and baked.is_dir() else mounted


def _is_empty(directory: Path) -> bool:
    """Whether a directory is empty or missing; the loader reports one that cannot be read."""
    try:
        return not any(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
