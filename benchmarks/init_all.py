"""Take the project of `byoi init` the whole way, for each kind: from nothing to an endpoint.

    make init-all                                        every kind, the result in results/init.md
    python benchmarks/init_all.py sklearn custom         these, the table on stdout

Each step is a command of the project's README, run as a user types it; the first that fails ends
the run. The deployment is rehearsed on emulated AWS. The training packages are those of this
environment; the image is built on `byoi:latest`, of the kind `keras` on `byoi:tensorflow`, or on
what the options name, and pip gets its packages from the index.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from byoi import starting
from byoi.local import health, processes

RESULT = Path(__file__).with_name("results") / "init.md"
STEPS = ("init", "train", "test", "serve, invoke", "pack", "image", "deploy, invoke, delete")
_WORDS_SHOWN = 4000


class Step(Exception):  # noqa: N818 - it says which step ended the run
    """A step that failed; the text has its command and what it printed."""


def main(arguments: Sequence[str]) -> int:
    """Take some kinds or all of them the whole way; 1 where one did not arrive."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="default: all")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    parser.add_argument("--base", default="byoi:latest", metavar="IMAGE")
    parser.add_argument("--tensorflow", default="byoi:tensorflow", metavar="IMAGE")
    options = parser.parse_args(arguments)
    kinds = options.kinds or starting.KINDS
    rows, failed = {}, False
    for kind in kinds:
        times: dict[str, float] = {}
        rows[kind] = times
        try:
            with tempfile.TemporaryDirectory(prefix="byoi-init-") as folder:
                base = options.tensorflow if kind == "keras" else options.base
                walk(kind, base, Path(folder), times)
        except Step as error:
            failed = True
            print(f"{kind}: {error}", file=sys.stderr, flush=True)
        print(f"{kind}: {', '.join(f'{name} {s:.1f} s' for name, s in times.items())}", flush=True)
    text = table(rows)
    print(text)
    if options.write and not failed:
        RESULT.write_text(report(text), encoding="utf-8")
    return int(failed)


def walk(kind: str, base: str, folder: Path, times: dict[str, float]) -> None:
    """Run every step for one kind, and note the seconds of each.

    Raises:
        Step: One failed.
    """
    name = f"try-{kind}-{os.getpid()}"
    project, tag = folder / name, f"{name}:1"
    python = shlex.quote(sys.executable)

    @contextlib.contextmanager
    def step(title: str) -> Iterator[None]:
        began_s = time.monotonic()
        yield
        times[title] = time.monotonic() - began_s

    with step("init"):
        run(f"byoi init {name} --kind {kind}", folder)
    with step("train"):
        run(f"{python} train.py", project)
    with step("test"):
        run(f"{python} -m pytest -q", project)
    with step("serve, invoke"), serving(project) as url:
        require_two(run(f"byoi invoke {url}", project))
    with step("pack"):
        run("byoi pack . model.tar.gz", project)
    try:
        with step("image"):
            run(f"byoi image --base {base} --tag {tag}", project)
        with step("deploy, invoke, delete"):
            commands = (
                f"byoi deploy {tag} --name {name} && "
                f"byoi invoke {name} >answer && byoi delete {name} && cat answer"
            )
            said = run(f"byoi emulator run -- bash -c {shlex.quote(commands)}", project)
            if f"byoi invoke {name} --file sample_request.json" not in said:
                raise Step(f"deploy does not name the sample request:\n{said}")
            require_two(said.splitlines()[-1])
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)


def run(command: str, folder: Path) -> str:
    """Run a command and return what it printed.

    Raises:
        Step: It failed.
    """
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-_WORDS_SHOWN:]
        raise Step(f"{command}\nended with status {done.returncode}:\n{said}")
    return done.stdout


def environ() -> Mapping[str, str]:
    """Return the environment of a user who has this one's programs first."""
    programs = Path(sys.executable).parent
    others = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return {**others, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


@contextlib.contextmanager
def serving(project: Path) -> Iterator[str]:
    """Run `byoi serve` in a project's folder until it is healthy, and stop it at the end.

    Raises:
        Step: It ended, or did not become healthy.
    """
    port = processes.find_free_port()
    url = f"http://127.0.0.1:{port}"
    log_file = project.parent / "serve.log"
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            ["byoi", "serve", "--port", str(port)],
            cwd=project,
            env=environ(),
            stdout=log,
            stderr=log,
        )

    def cause_of_end() -> str | None:
        return None if server.poll() is None else f"ended with status {server.returncode}"

    try:
        cause = health.wait_until_healthy(url, cause_of_end=cause_of_end, timeout_s=120)
        if cause is not None:
            raise Step(f"byoi serve {cause}:\n{log_file.read_text()[-_WORDS_SHOWN:]}")
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def require_two(answer: str) -> None:
    """Check that an answer has a prediction for each of the two rows of the sample request.

    Raises:
        Step: It has not.
    """
    found = json.loads(answer)
    if len(found["predictions"] if isinstance(found, dict) else found) != 2:
        raise Step(f"expected two predictions, received {answer}")


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return the seconds of each step as a table of Markdown."""
    lines = [f"| kind | {' | '.join(STEPS)} | in all |", "|---" * (len(STEPS) + 2) + "|"]
    for kind, times in rows.items():
        cells = [f"{times[name]:.1f}" if name in times else "failed" for name in STEPS]
        lines.append(f"| {kind} | {' | '.join(cells)} | {sum(times.values()):.1f} |")
    return "\n".join(lines)


def report(text: str) -> str:
    """Return the page of a run."""
    now = dt.datetime.now(dt.UTC)
    machine = f"{platform.system()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    return (
        "# Each kind of `byoi init`, from nothing to an endpoint\n\n"
        f"{now:%Y-%m-%d}, {machine}; `make init-all`. Seconds of each step, on a machine that "
        "others used as well: they say that a step works and its order of magnitude.\n\n"
        f"{text}\n\n"
        "`image` includes pip's download where a kind needs packages, unless a build before it "
        "has them; `deploy` is on emulated AWS, with the endpoint in a container.\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
