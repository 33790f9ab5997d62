"""Faults of faulty_life.py that the rules of a server's life find, from its image to its logs.

Each has the rule that must fail, the others that must fail with it, and words of what is seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from byoi import contract
from byoi.conformance import Given, Payload

LIST = Payload(b"[1, 2, 3]", "application/json")
SLOW = Payload(b'{"sleep_s": 2}', "application/json")
LABEL, _, VALUE = contract.BIND_TO_PORT_LABEL.partition("=")


@dataclass(frozen=True)
class Fault:
    """What a fault leads to.

    Attributes:
        rule: Must fail.
        words: Are in what the rule has seen, or in its remedy.
        others: Rules that must fail with it.
        slow_payload: Of the user.
        is_serverless: The user has asked for the rules of serverless endpoints.
        is_full: To wait out the platform's limits.
        has_training: The user has asked for those of training, and given a job's input.
        lines: Of the Dockerfile, where the fault is in the image; then `config` says what a
            local subject shows instead.
        config: Of the image, as `docker inspect` has it.
        more: What else `docker inspect` has.
        files: Of the image.
        fault: Of the server of a local subject.
    """

    rule: str
    words: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    slow_payload: Payload | None = None
    is_serverless: bool = False
    is_full: bool = False
    has_training: bool = False
    lines: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    fault: str = ""

    def given(self, training_input: Path) -> Given:
        return Given(
            payload=LIST,
            slow_payload=self.slow_payload,
            is_serverless=self.is_serverless,
            is_full=self.is_full,
            is_training=self.has_training,
            training_input=training_input if self.has_training else None,
        )


# In the server, which the variable FAULT names.
FAULTS = {
    "needs_variable SM_MODEL_DIR": Fault("RT-14", ("SM_MODEL_DIR",), others=("RT-22",)),
    "needs_variable MODEL_NAME": Fault("RT-14", ("MODEL_NAME", "--env"), others=("RT-22",)),
    "other_port 8443": Fault("RT-16", ("8443", "8444", "SAGEMAKER_BIND_TO_PORT")),
    "slow_accept": Fault("RT-19", ("250 ms",)),
    "one_thread": Fault("RT-19", ("a connection that is idle", "the limit is 2 s", "one thread")),
    "second_port 5001": Fault("RT-17", ("127.0.0.1:5001", "SAGEMAKER_SAFE_PORT_RANGE")),
    "calls_out": Fault("RT-20", ("no network", "no answer")),
    "calls_aws": Fault("RT-20", ("credentials", "500")),
    "downloads": Fault("RT-21", ("no network",), others=("RT-20", "RT-22")),
    "model_elsewhere": Fault("RT-57", ("/srv/model/weights", "/opt/ml/model"), others=("RT-22",)),
    "write_model": Fault("RT-58", ("read-only", "/opt/ml/model/cache")),
    "writes_quietly": Fault("RT-58", ("read-only", "state", "500")),
    "write_model_at_start": Fault("RT-58", ("read-only", "/opt/ml/model/cache"), others=("RT-22",)),
    "model_path": Fault("RT-59", ("/opt/ml/model/nested/weights",), others=("RT-22",)),
    "crashes_without_model": Fault("RT-60", ("status 139", "503")),
    "refuses_serve": Fault("RT-01", ("docker run IMAGE serve", "serve"), others=("RT-22",)),
    "needs_root start": Fault(
        "SV-05", ("12345", "Permission denied", "chmod"), others=("RT-66",), is_serverless=True
    ),
    "needs_root": Fault("RT-66", ("read-only", "/tmp"), others=("SV-05",), is_serverless=True),
    "ignores_sigterm": Fault("RT-67", ("SIGTERM", "SIGKILL")),
    "drops_requests": Fault("RT-68", ("in flight at SIGTERM", "no answer"), slow_payload=SLOW),
    "ends_with 3": Fault("RT-68", ("status 3",), slow_payload=SLOW),
    "ends_later 1.5": Fault("RT-69", ("status 3", "licence has expired"), others=("RT-25",)),
    "helper_unnoticed": Fault("RT-69", ("/ping still answers 200", "502")),
    "limit 1048576": Fault("SV-08", ("4 MB", "413"), others=("RT-34",), is_serverless=True),
    "large_response 4200000": Fault(
        "SV-08", ("the response has 4200000 B", "4 MB"), is_serverless=True
    ),
    "content_type json": Fault("PL-02", ("'json'",)),
    "buffered": Fault("OB-01", ("buffer", "PYTHONUNBUFFERED")),
    "log_file": Fault("OB-01", ("server.log",)),
    "slow_metrics 6": Fault("OB-05", ("/metrics takes 6",)),
    "metrics_fail": Fault("OB-05", ("500",)),
    "metrics_in_json": Fault("OB-05", ("200", "text format")),
    "metrics_of_a_worker": Fault("OB-07", ("requests_total", "falls from 7 to 4")),
    "no_train": Fault("TR-01", ("train",), others=("RT-02", "TR-11", "TR-12"), has_training=True),
    "numbers": Fault("TR-04", ("texts", "int("), others=("TR-12",), has_training=True),
    "reads_config inputdataconfig.json": Fault(
        "TR-05", ("inputdataconfig.json",), others=("TR-12",), has_training=True
    ),
    "reads_config resourceconfig.json": Fault(
        "TR-06", ("resourceconfig.json",), others=("TR-12",), has_training=True
    ),
    "reads_channel": Fault(
        "TR-07", ("/opt/ml/input/data/somewhere",), others=("TR-12",), has_training=True
    ),
    "no_model": Fault("TR-09", ("/opt/ml/model",), has_training=True),
    "no_failure_file": Fault("TR-11", ("/opt/ml/output/failure",), has_training=True),
    "fails_with_0": Fault("TR-12", ("status 0",), has_training=True),
    "train_goes_on": Fault("TR-13", ("SIGTERM", "its own end"), has_training=True),
    "train_ignores_sigterm": Fault("TR-13", ("SIGTERM", "SIGKILL", "120"), has_training=True),
    "train_needs SM_MODEL_DIR": Fault(
        "TR-16", ("SM_MODEL_DIR",), others=("TR-12",), has_training=True
    ),
    "train_downloads": Fault("TR-21", ("no network",), others=("TR-12",), has_training=True),
}
# In the image: a name, and what it is built with.
IMAGE_FAULTS = {
    "shell_form": Fault(
        "RT-03",
        ("shell form", "SIGTERM"),
        others=("RT-67",),
        lines="ENTRYPOINT python3 /faulty_life.py serve; true",
        config={"Entrypoint": ["/bin/sh", "-c", "python3 /faulty_life.py serve; true"]},
        fault="ignores_sigterm",
    ),
    "user": Fault(
        "RT-05",
        ("1000", "Permission denied", "USER"),
        others=("RT-22",),
        lines="ENV FAULT='needs_root start'\nUSER 1000",
        config={"User": "1000"},
        fault="needs_root start",
    ),
    "tini": Fault(
        "RT-04",
        ("/usr/bin/tini",),
        lines="RUN printf '#!/bin/sh\\nshift; exec \"$@\"\\n' > /usr/bin/tini "
        "&& chmod +x /usr/bin/tini\n"
        'ENTRYPOINT ["/usr/bin/tini", "--", "python3", "/faulty_life.py"]',
        config={"Entrypoint": ["/usr/bin/tini", "--", "python3", "/faulty_life.py"]},
    ),
    "driver": Fault(
        "RT-06",
        ("/usr/bin/nvidia-smi",),
        lines="RUN touch /usr/bin/nvidia-smi",
        files={"/usr/bin/nvidia-smi": b""},
    ),
    "architecture": Fault("RT-08", ("linux/riscv64",), more={"Architecture": "riscv64"}),
    "label": Fault(
        "RT-18",
        ("'yes'", contract.BIND_TO_PORT_LABEL),
        lines=f"LABEL {LABEL}=yes",
        config={"Labels": {LABEL: "yes"}},
    ),
    "size": Fault("SV-02", ("11.0 GB", "10 GB"), is_serverless=True, more={"Size": 11 * 10**9}),
    "reserved": Fault(
        "TR-03",
        ("/opt/ml/input",),
        has_training=True,
        lines="RUN mkdir -p /opt/ml/input/data && touch /opt/ml/input/data/rows",
        files={"/opt/ml/input/data/rows": b""},
    ),
}
# Seen only of a container, whose network is its own.
CONTAINER_FAULTS = {
    "loopback": Fault("RT-15", ("127.0.0.1:8080", "0.0.0.0:8080"), others=("RT-22",)),
    "port 5000": Fault("RT-15", ("0.0.0.0:5000", "8080"), others=("RT-22",)),
}
# What an engine or a registry tells of an image, and its name: each has a test of its own.
OF_THE_NAME = ("RT-07", "RT-09")
# No rule of an image's: no fault of it can be seen from outside.
CANNOT_FAIL = {
    "IC-04": "adapters may be missing, and how an unknown one is refused is the image's choice",
    "TR-08": "a job asks for pipe mode, and the check runs file mode",
    "TR-10": "a job may leave no other results",
}
# In an image only: it waits out the limit that it breaks.
SLOW_FAULTS = {
    "loads_late 185": Fault("SV-06", ("the limit is 180 s",), is_serverless=True, is_full=True),
}
