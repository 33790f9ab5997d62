"""What the emulator costs: its start, and a predict through it against the container's own port.

    .venv/bin/python benchmarks/emulator.py [--runner containers|processes] [--calls N]

The same body goes to both in turn, so that whatever else the machine does meets both.
"""

import argparse
import http.client
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import boto3

from byoi import contract, emulator, model_data
from byoi.local.docker import Engine
from byoi.local.orphans import OWNER_LABEL

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "byoi_lib"))

from tiny_model import write_tiny_model

BODY = json.dumps({"instances": ["Not bad at all."]}).encode()
STARTS = 5
WARM_UP = 20


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runner", default="containers", choices=("containers", "processes"))
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    starts_s = []
    for _ in range(STARTS):
        started_s = time.perf_counter()
        with emulator.running(runner=options.runner, environ=dict(os.environ)):
            starts_s.append(time.perf_counter() - started_s)
    with emulator.running(runner=options.runner) as running:
        name = deploy()
        through, bare = measure(name, find_port(running.pid), options.calls)
    extra = [one - other for one, other in zip(through, bare, strict=True)]
    print(
        json.dumps(
            {
                "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
                "load": round(os.getloadavg()[0], 1),
                "runner": options.runner,
                "start_s": [round(one, 2) for one in sorted(starts_s)],
                "calls": options.calls,
                "emulated_ms": round(statistics.median(through), 2),
                "bare_ms": round(statistics.median(bare), 2),
                "extra_ms_median": round(statistics.median(extra), 2),
                "extra_ms_quartiles": [round(one, 2) for one in statistics.quantiles(extra)],
            }
        )
    )


def deploy() -> str:
    """Create an endpoint of a tiny model and return its name."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        write_tiny_model(directory / "model")
        packed = model_data.pack(directory / "model", directory / "model.tar.gz")
        bucket = os.environ["BYOI_BUCKET"]
        boto3.client("s3").upload_file(str(packed.path), bucket, "model.tar.gz")
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_model(
        ModelName="bench",
        ExecutionRoleArn=os.environ["BYOI_ROLE_ARN"],
        PrimaryContainer={"Image": "byoi:latest", "ModelDataUrl": f"s3://{bucket}/model.tar.gz"},
    )
    variant = {"VariantName": "AllTraffic", "ModelName": "bench", "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName="bench", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
    while True:
        described = sagemaker.describe_endpoint(EndpointName="bench")
        if described["EndpointStatus"] == "InService":
            return "bench"
        if described["EndpointStatus"] == "Failed":
            sys.exit(described["FailureReason"])
        time.sleep(0.1)


def find_port(pid: int) -> int:
    """Return the port of this machine that leads to the one server the emulator runs."""
    engine = Engine(os.environ)
    for container, label in engine.find_labels(OWNER_LABEL).items():
        if label.endswith(f":{pid}"):
            address = engine.address(container, contract.PORT)
            return address[1] if address else sys.exit(f"{container} publishes no port")
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes().split(b"\0")
            parent = int(environ.with_name("stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            for variable in variables:
                if variable.startswith(b"SAGEMAKER_BIND_TO_PORT="):
                    return int(variable.partition(b"=")[2])
    sys.exit("no server found behind the endpoint")


def measure(name: str, port: int, calls: int) -> tuple[list[float], list[float]]:
    """Return milliseconds of each call through the emulator, and of its pair without."""
    runtime = boto3.client("sagemaker-runtime")
    through, bare = [], []
    for number in range(WARM_UP + calls):
        started_s = time.perf_counter()
        answer = runtime.invoke_endpoint(
            EndpointName=name, Body=BODY, ContentType="application/json"
        )["Body"].read()
        middle_s = time.perf_counter()
        expected = post(port)
        end_s = time.perf_counter()
        assert answer == expected
        if number >= WARM_UP:
            through.append((middle_s - started_s) * 1000)
            bare.append((end_s - middle_s) * 1000)
    return through, bare


def post(port: int) -> bytes:
    """Send one invocation to the container's own port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/invocations", BODY, {"Content-Type": "application/json"})
        return connection.getresponse().read()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
