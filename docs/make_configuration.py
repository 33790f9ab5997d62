"""Print docs/configuration.md, generated from the settings of the server.

    python docs/make_configuration.py > docs/configuration.md

A test fails while the page differs from the output.
"""

import dataclasses
import sys

from byoi.server.settings import OTHER_VARIABLES, REFUSED_VARIABLES, Settings

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

## Other variables that start with `BYOI_`

| variable | meaning |
|---|---|
"""
_REFUSED = """
## Variables that are refused

AWS's own containers act on these. This server does not, and ignoring them would change every
answer: `serve` ends with status 2 and one line, unless the value is empty, `false` or `0`.
`train` refuses `SAGEMAKER_PROGRAM` and `SAGEMAKER_SUBMIT_DIRECTORY` too, and hyperparameters whose
names start with `sagemaker_`, except those that only describe the job.

| variable | meaning, and what to do instead |
|---|---|
"""


def page() -> str:
    """Return the text of docs/configuration.md."""
    rows = []
    for field in dataclasses.fields(Settings):
        default = field.default
        text = f"{default:g}" if isinstance(default, float) else str(default)
        text = text.lower() if isinstance(default, bool) else text
        shown = f"`{text}`" if text and default is not None else "none"
        rows.append(f"| `{field.metadata['variable']}` | {shown} | {field.metadata['meaning']} |\n")
    others = [f"| `{name}` | {meaning} |\n" for name, meaning in OTHER_VARIABLES.items()]
    refused = [f"| `{name}` | {meaning} |\n" for name, meaning in REFUSED_VARIABLES.items()]
    return _HEAD + "".join(rows) + _OTHERS + "".join(others) + _REFUSED + "".join(refused)


if __name__ == "__main__":
    sys.stdout.write(page())
