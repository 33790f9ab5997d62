"""docs/configuration.md, made from the settings themselves.

Write it anew with `python -m byoi.server.configuration_page > docs/configuration.md`;
a test fails while the page differs from what this returns.
"""

import dataclasses
import sys

from byoi.server.settings import OTHER_VARIABLES, Settings

_HEAD = """# Configuration of the server

Everything is an environment variable, read once, at start.
Nothing has to be set: with an empty environment every default below applies.
A value that cannot be used, and a variable that starts with `BYOI_` and is not on this page,
ends `serve` with status 2 and one line that names it.

In a container: `docker run -e BYOI_THREADS=8 IMAGE serve`.
On an endpoint: the `env` argument of `sagemaker.model.Model`.
On this machine: `BYOI_THREADS=8 byoi serve --model-dir DIR --port N`;
the command's own options win over `BYOI_MODEL_DIR` and `SAGEMAKER_BIND_TO_PORT`.

## Settings

| variable | default | meaning |
|---|---|---|
"""
_OTHERS = """
Workers and threads multiply: `SAGEMAKER_MODEL_SERVER_WORKERS` processes answer
`BYOI_THREADS` requests each at the same time, and each process holds a whole model in memory.
`OMP_NUM_THREADS` is set to the CPUs divided by the workers, at least 1, unless it is given.

## Other variables that start with `BYOI_`

| variable | meaning |
|---|---|
"""


def page() -> str:
    """Return the text of docs/configuration.md."""
    rows = []
    for field in dataclasses.fields(Settings):
        default = field.default
        text = f"{default:g}" if isinstance(default, float) else str(default)
        shown = f"`{text}`" if text else "none"
        rows.append(f"| `{field.metadata['variable']}` | {shown} | {field.metadata['meaning']} |\n")
    others = [f"| `{name}` | {meaning} |\n" for name, meaning in OTHER_VARIABLES.items()]
    return _HEAD + "".join(rows) + _OTHERS + "".join(others)


if __name__ == "__main__":
    sys.stdout.write(page())
