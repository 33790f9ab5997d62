"""A load on a server: some connections that are kept, each with one request at a time.

The generator is wrk with one thread (Debian package `wrk`). Where it is missing, a process of
this module takes its place, which costs several times the CPU of wrk: on few cores the figures
are then lower for every server, and the ratios nearer to 1.
"""

import asyncio
import dataclasses
import json
import math
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

JSON_TYPE = "application/json"
_OK = b"200"

# One body: wrk itself sends it again and again, without a call of the script.
_ONE = """
local bodies = dofile("{data}")
wrk.method, wrk.body, wrk.headers["Content-Type"] = "POST", bodies[1], "application/json"
"""
# Several: the requests are made once, and chosen at random; a seed for each run, so that no server
# meets the order of another.
_SEVERAL = """
local requests = {{}}
function init(arguments)
    math.randomseed({seed})
    for number, body in ipairs(dofile("{data}")) do
        requests[number] = wrk.format("POST", nil, {{["Content-Type"] = "application/json"}}, body)
    end
end
function request()
    return requests[math.random(#requests)]
end
"""
# One line that this module reads.
_DONE = """
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "measured %d %d %d %d %d\\n", summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclasses.dataclass(frozen=True)
class Load:
    """What was measured of one server under one load.

    Attributes:
        requests: Answers that arrived.
        duration_s: From the first request to the last answer.
        p50_ms: Median of the time of one request.
        p99_ms: The time that one request in a hundred is above.
        errors: Requests without an answer, and answers with another status than 200.
        generator_cpu_s: CPU seconds of the generator.
    """

    requests: int
    duration_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    generator_cpu_s: float = 0.0

    @property
    def requests_per_s(self) -> float:
        """Requests a second."""
        return self.requests / self.duration_s


def generator() -> str:
    """Return the name of the generator that `apply` uses."""
    return "wrk" if shutil.which("wrk") else "asyncio"


@dataclasses.dataclass(frozen=True)
class Demand:
    """A load that is to be put on a server.

    Attributes:
        url: Of the path that takes the requests.
        bodies: JSON; each request is one of them, at random.
        connections: That are open at once.
        duration_s: Seconds, whole ones with wrk.
        seed: Of the order.
    """

    url: str
    bodies: Sequence[bytes]
    connections: int
    duration_s: float
    seed: int = 0


def apply(demand: Demand) -> Load:
    """Send requests for some seconds."""
    before_s = _children_cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        run = _wrk if generator() == "wrk" else _own
        measured = run(Path(folder), demand)
    return dataclasses.replace(measured, generator_cpu_s=_children_cpu_s() - before_s)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that is not below a share of all, from 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def quoted(body: bytes) -> str:
    """Return a body as a string of Lua, of any bytes."""
    return '"' + "".join(f"\\{byte:03d}" for byte in body) + '"'


def parse_wrk(output: str) -> Load:
    """Read what the script of wrk printed.

    Raises:
        ValueError: It printed no result.
    """
    for line in output.splitlines():
        word, *numbers = line.split()
        if word == "measured":
            requests, duration_us, p50_us, p99_us, errors = (int(number) for number in numbers)
            return Load(requests, duration_us / 1e6, p50_us / 1e3, p99_us / 1e3, errors)
    raise ValueError(f"wrk printed no result, but: {output[-2000:]!r}")


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wrk(folder: Path, demand: Demand) -> Load:
    script, data = folder / "requests.lua", folder / "bodies.lua"
    chosen = _ONE if len(demand.bodies) == 1 else _SEVERAL
    script.write_text(chosen.format(data=data, seed=demand.seed) + _DONE, encoding="utf-8")
    data.write_text(f"return {{{', '.join(map(quoted, demand.bodies))}}}", encoding="ascii")
    command = ["wrk", "--threads=1", f"--connections={demand.connections}", "--timeout=30s"]
    command += [f"--duration={demand.duration_s:.0f}s", f"--script={script}", demand.url]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return parse_wrk(done.stdout)


# The generator of this module.


def _own(folder: Path, demand: Demand) -> Load:
    file = folder / "demand.json"
    document = dataclasses.asdict(demand) | {"bodies": [body.decode() for body in demand.bodies]}
    file.write_text(json.dumps(document), encoding="utf-8")
    command = [sys.executable, __file__, str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Load(**json.loads(done.stdout))


async def _client(
    host: str, port: int, requests: Sequence[bytes], end_s: float, times_ms: list[float]
) -> int:
    """Send one request after the other; return how many had no answer, or another than 200."""
    errors = 0
    streams = None
    while time.perf_counter() < end_s:
        began_s = time.perf_counter()
        try:
            streams = streams or await asyncio.open_connection(host, port)
            reader, writer = streams
            writer.write(random.choice(requests))
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            headers = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
            await reader.readexactly(int(headers[b"content-length"]))
            errors += lines[0].split()[1] != _OK
            if headers.get(b"connection") == b"close":
                writer.close()
                streams = None
        except (OSError, EOFError, asyncio.LimitOverrunError, KeyError):
            errors += 1
            streams = None
        times_ms.append((time.perf_counter() - began_s) * 1e3)
    if streams:
        streams[1].close()
    return errors


async def _clients(demand: Demand) -> Load:
    host, _, rest = demand.url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")
    requests = [
        f"POST /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {JSON_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in demand.bodies
    ]
    times_ms: list[float] = []
    began_s = time.perf_counter()
    errors = await asyncio.gather(
        *(
            _client(host, int(port), requests, began_s + demand.duration_s, times_ms)
            for _ in range(demand.connections)
        )
    )
    return Load(
        len(times_ms),
        time.perf_counter() - began_s,
        percentile(times_ms, 0.5),
        percentile(times_ms, 0.99),
        sum(errors),
    )


def main() -> None:
    """Be the generator: print one `Load` as JSON."""
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    bodies = [body.encode() for body in document.pop("bodies")]
    demand = Demand(bodies=bodies, **document)
    random.seed(demand.seed)
    print(json.dumps(dataclasses.asdict(asyncio.run(_clients(demand)))))


if __name__ == "__main__":
    main()
