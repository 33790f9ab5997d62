"""The user's script in local mode: what the SDK's `entry_point` and `source_dir` name.

On AWS the SDK packs a script with the model data or uploads it; in local mode it does the first
for `Model`, in the caller's own archive, and for its other classes it leaves the script where it
is and names the place in two variables. A lone `entry_point` it only names. Here each of these
becomes a directory of the container.

Source: sagemaker 2.257, model.py `_upload_code` and `_script_mode_env_vars`, local/image.py
`serve`; fw_utils.py `tar_and_upload_dir` (a lone script goes without what lies beside it).
"""

import filecmp
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from byoi import contract, errors
from byoi.hosting import staging
from byoi.names import is_s3_uri

PROGRAM = contract.PROGRAM_VARIABLE
DIRECTORY = contract.SUBMIT_DIRECTORY_VARIABLE
_FILE_SCHEME = "file://"


def stage(
    environment: Mapping[str, str], *, model_dir: Path, directory: Path, session: Any
) -> dict[str, str]:
    """Put the script that the variables name where the container finds it.

    Args:
        environment: Variables of the container, with paths of this machine, relative ones too.
        model_dir: What the container gets as `/opt/ml/model`.
        directory: Becomes `/opt/ml/code`; made where the script is not in the model data.
        session: The SDK's session, whose credentials read from S3.

    Returns:
        The variables, with paths of the container.

    Raises:
        ConfigurationError: There is no such script or folder.
        ModelDataError: An archive in S3 is not safe to unpack.
    """
    program = environment.get(PROGRAM, "").removeprefix(_FILE_SCHEME)
    source = environment.get(DIRECTORY)
    if source is None or not (source or program):
        return dict(environment)
    packed = model_dir / "code"
    if not source:
        if not Path(program).is_file() and (packed / program).is_file():
            return dict(environment)
        _copy_script(Path(program), directory)
        program = Path(program).name
    elif is_s3_uri(source):
        staging.stage_model_data(source, directory, session)
    elif source.startswith(_FILE_SCHEME):
        folder = Path(source.removeprefix(_FILE_SCHEME)).absolute()
        _require_script(folder, program)
        if _holds(packed, folder):
            # As on AWS, and with the dependencies that the SDK has put beside it.
            inside = str(contract.MODEL_DIR / "code")
            return {**environment, PROGRAM: program, DIRECTORY: inside}
        # The SDK follows links when it packs.
        shutil.copytree(folder, directory)
    else:
        # A path of the container.
        return dict(environment)
    return {**environment, PROGRAM: program, DIRECTORY: str(contract.CODE_DIR)}


def _copy_script(script: Path, directory: Path) -> None:
    if not script.is_file():
        raise errors.ConfigurationError(
            f"entry_point={str(script)!r}: there is no such file in {Path.cwd()}; give its path, "
            "or the folder that it lies in as source_dir"
        )
    directory.mkdir()
    shutil.copy(script, directory)


def _require_script(folder: Path, program: str) -> None:
    if not folder.is_dir():
        raise errors.ConfigurationError(
            f"source_dir={str(folder)!r}: there is no such folder; give the folder of your script, "
            "or the s3:// URI of an archive of it"
        )
    if program and (Path(program).is_absolute() or not (folder / program).is_file()):
        found = ", ".join(sorted(path.name for path in folder.glob("*.py"))) or "no script"
        raise errors.ConfigurationError(
            f"entry_point={program!r}: there is no such file in source_dir={str(folder)!r}, which "
            f"has {found}; give its path within that folder"
        )


def _holds(packed: Path, folder: Path) -> bool:
    """Whether a directory has every file of another one, byte for byte."""
    return packed.is_dir() and all(
        (copy := packed / path.relative_to(folder)).is_file()
        and filecmp.cmp(path, copy, shallow=False)
        for path in folder.rglob("*")
        if path.is_file()
    )
