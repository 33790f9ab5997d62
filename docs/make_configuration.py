"""Print docs/configuration.md, generated from the settings of the server.

    python docs/make_configuration.py > docs/configuration.md

A test fails while the page differs from the output.
"""

import dataclasses
import sys
from typing import Any

from byoi.server import standard_variables
from byoi.server.settings import OTHER_VARIABLES, Settings

_HEAD = """# Configuration of the server

Every setting is an environment variable, read once, at start.
None is required: with an empty environment every default below applies.
A value that cannot be used, or a variable that starts with `BYOI_` and is not on this page,
ends `serve` with status 2 and one line that names it.

In a container: `docker run -e BYOI_THREADS=8 IMAGE serve`.
On an endpoint: the `env` argument of `sagemaker.model.Model`.
On this machine: `BYOI_THREADS=8 byoi serve --model-dir DIR --port N`;
the options of the command take precedence over the variables.
It listens on 127.0.0.1 and shows a page, unless `BYOI_BIND_ADDRESS` and `BYOI_PAGE` are set.

## Settings

| variable | default | meaning |
|---|---|---|
"""
_OTHERS = """
Workers and threads multiply: each of `SAGEMAKER_MODEL_SERVER_WORKERS` processes answers
`BYOI_THREADS` requests at the same time, and has a whole model in memory.
`OMP_NUM_THREADS` is the number of CPUs divided by the workers, at least 1, unless it is set.
CPUs are those of the affinity and of the quota of the control group, memory is its limit or the
machine's; what was chosen, and why, is a line at start.

## Other variables that start with `BYOI_`

| variable | meaning |
|---|---|
"""
_STANDARD = """
## Variables of AWS's containers

Those of AWS's inference toolkits, its TensorFlow, PyTorch and DJL containers and its sample do here
what they do there, under another name of a setting, or end `serve` with status 2 and one line.
None is ignored. All names of one setting that are set have one value, or the start says which
differ; one that is empty says nothing. Seconds are seconds in each of them.

| variable | here |
|---|---|
"""
_REFUSED = """
## Variables that are refused

AWS's own containers act on these. This server does not, and ignoring them would change every
answer, or how it is made: `serve` ends with status 2 and one line, unless the value is empty,
`false` or `0`.
`train` refuses `SAGEMAKER_PROGRAM` and `SAGEMAKER_SUBMIT_DIRECTORY` too, and hyperparameters whose
names start with `sagemaker_`, except those that only describe the job.

| variable | meaning, and what to do instead |
|---|---|
"""


def _shown(field: dataclasses.Field[Any]) -> str:
    """Return the default of a setting as the page shows it."""
    default = field.default
    if field.name == "workers":
        return "`auto`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    text = f"{default:g}" if isinstance(default, float) else str(default)
    return f"`{text}`" if text and default is not None else "none"


def standard() -> list[str]:
    """Return the rows of the variables that are taken under another name."""
    settings = [field.metadata["variable"] for field in dataclasses.fields(Settings)]
    own = [name for name in settings if not name.startswith("BYOI_")]
    rows = [f"| `{name}` | the setting of this name |\n" for name in own]
    for variable, names in standard_variables.OTHER_NAMES.items():
        rows += [f"| `{name}` | the same as `{variable}` |\n" for name in names]
    for variable, names in standard_variables.STAND_INS.items():
        before = [variable]
        for name in names:
            unset = " and no ".join(f"`{one}`" for one in before)
            rows.append(f"| `{name}` | the same as `{variable}`, where no {unset} is set |\n")
            before.append(name)
    others = standard_variables.NOTHING_TO_DO.items()
    return [*rows, *(f"| `{name}` | needs nothing here. {text} |\n" for name, text in others)]


def page() -> str:
    """Return the text of docs/configuration.md."""
    rows = []
    for field in dataclasses.fields(Settings):
        shown = _shown(field)
        rows.append(f"| `{field.metadata['variable']}` | {shown} | {field.metadata['meaning']} |\n")
    others = [f"| `{name}` | {meaning} |\n" for name, meaning in OTHER_VARIABLES.items()]
    refused = [f"| `{name}` | {text} |\n" for name, text in standard_variables.REFUSED.items()]
    families = standard_variables.REFUSED_FAMILIES.items()
    refused += [f"| any other `{start}...` | {text} |\n" for start, text in families]
    parts = [_HEAD, *rows, _OTHERS, *others, _STANDARD, *standard(), _REFUSED, *refused]
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
