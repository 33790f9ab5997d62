"""Faults of faulty.py that the rules of serving find: which rule, and what it says.

Each has the rule that must fail, the others that must fail with it, and words of what is seen.
"""

from dataclasses import dataclass

from byoi.conformance import Given, Payload

JSON = "application/json"
LIST = Payload(b"[1, 2, 3]", JSON)
LINES = Payload(b"1,2\n3,4\n5,6\n", "text/csv")
STREAM = Payload(b'{"stream": 5}', JSON)
SLOW = Payload(b'{"sleep_s": 3}', JSON)
LABELS = {
    f"com.amazonaws.sagemaker.capabilities.{name}": "true"
    for name in ("accept-bind-to-port", "bidirectional-streaming", "multi-models")
}


@dataclass(frozen=True)
class Fault:
    """What a fault leads to.

    Attributes:
        rule: Must fail.
        words: Are in what the rule has seen, or in its remedy.
        others: Rules that must fail with it.
        payload: Of the user.
        slow_payload: Of the user.
        is_multi_model: The user has asked for the rules of multi-model endpoints.
        is_serverless: For those of serverless endpoints.
        is_full: To wait out the platform's limits.
        labels: Of the image.
    """

    rule: str
    words: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    payload: Payload | None = LIST
    slow_payload: Payload | None = None
    is_multi_model: bool = False
    is_serverless: bool = False
    is_full: bool = False
    labels: tuple[str, ...] = tuple(LABELS)

    @property
    def given(self) -> Given:
        return Given(
            payload=self.payload,
            slow_payload=self.slow_payload,
            is_multi_model=self.is_multi_model,
            is_serverless=self.is_serverless,
            is_full=self.is_full,
        )


def multi_model(rule: str, *words: str, others: tuple[str, ...] = ()) -> Fault:
    return Fault(rule, words, others, is_multi_model=True)


def unlabelled(name: str) -> tuple[str, ...]:
    return tuple(label for label in LABELS if not label.endswith(name))


FAULTS = {
    "early 3": Fault("RT-23", ("503", "200")),
    "loading 2": Fault("RT-23", ("before the model answers", "500", "200 comes", "503 until")),
    "slow_ping 2.5": Fault("RT-22", ("the limit is 2 s",)),
    "no_ping": Fault("RT-22", ("404", "route")),
    "ping 204": Fault("RT-22", ("204",)),
    "ping 302": Fault("RT-22", ("302", "no redirect")),
    "flapping_ping": Fault("RT-25", ("503", "10 of 20"), ("RT-24",)),
    "always_200": Fault("RT-27", ("without model data", "500")),
    "busy_ping": Fault(
        "RT-29", ("the limit is 2 s", "slow requests"), ("AS-07",), slow_payload=SLOW
    ),
    "hosts": Fault("RT-30", ("400", "Host: 169.254.255.131:8080")),
    "no_invocations": Fault("RT-31", ("404", "/invocations")),
    "workers_differ": Fault("RT-31", ("differ between workers", "12 and 12", "0.25", "0.75")),
    "without_type": Fault("RT-31", ("without a Content-Type",)),
    "worker_timeout 2.2": Fault(
        "RT-33",
        ("502", "killed by its own server's timeout", "WORKER TIMEOUT", "--timeout"),
        ("RT-32", "BT-08"),
        slow_payload=SLOW,
        is_full=True,
    ),
    "limit 1048576": Fault("RT-35", ("2 MB", "413", "client_max_body_size"), ("RT-34", "BT-07")),
    "limit 6291456": Fault("RT-34", ("25 MB", "413"), ("BT-07",)),
    "promises_no_limit": Fault("BT-07", ("100 MB", "413", "SAGEMAKER_MAX_PAYLOAD_IN_MB=0")),
    "cuts_body": Fault(
        "RT-34", ("a body of 25 MB gets 400, the same of 9 B 200", "the whole body"), ("RT-35",)
    ),
    "cuts_body lines": Fault("RT-34", ("in two pieces", "another answer"), payload=LINES),
    "keeps_bytes 65536": Fault(
        "RT-34", ("98304 records in 393216 B have 16384 in the response",), payload=LINES
    ),
    "error_with_200": Fault("RT-37", ("200", "no JSON"), payload=None),
    "text_error_with_200": Fault("RT-37", ("200", "ValueError"), payload=None),
    "payload_error_with_200": Fault("RT-37", ("the payload", "200", "status: error")),
    "null_with_200": Fault("RT-37", ("not JSON", "200 with null")),
    "strict_type": Fault(
        "RT-37", ("application/json; charset=utf-8 gets 415 where application/json gets 200",)
    ),
    "dies": Fault("RT-37", ("empty body", "status 3"), payload=None),
    "poison": Fault(
        "RT-37", ("after bytes that are not text the payload gets 500 instead of 200",)
    ),
    "long_error": Fault("RT-38", ("2048",), payload=None),
    "long_headers": Fault("RT-40", ("431", "1024"), ("RT-41", "RT-42")),
    "any_type": Fault("RT-41", ("406", "*/*"), ()),
    "attributes": Fault("RT-42", ("500", "Custom-Attributes of 1024")),
    "long_attributes": Fault("RT-42", ("2000",)),
    "refuses_header X-Amzn-SageMaker-Target-Model": Fault("RT-43", ("500",)),
    "refuses_header X-Amzn-SageMaker-Inference-Id": Fault("RT-46", ("500",)),
    "refuses_header X-Amzn-SageMaker-Enable-Explanations": Fault("RT-47", ("500",)),
    "refuses_header X-Amzn-SageMaker-Session-Id": Fault("RT-50", ("500",)),
    "session_date": Fault("RT-51", ("Thu, 31 Jan 2030",)),
    "unclosed_session": Fault("RT-52", ("Closed-Session-Id", "a1-b2")),
    "session_fails": Fault("RT-53", ("500", "200")),
    "junk_headers": Fault("RT-54", ("400", "50 unknown headers")),
    "needs_attributes": Fault("RT-55", ("400",), ("RT-31",)),
    "stream_unchunked": Fault("ST-01", ("chunked",), payload=STREAM),
    "stream_breaks": Fault("ST-01", ("broke",), ("ST-03",), payload=STREAM),
    "stream_merged": Fault("ST-04", ("line 2 of 4",), payload=STREAM),
    "stream_without_type": Fault("ST-06", ("Content-Type",), ("RT-31",), payload=STREAM),
    "stream_buffered": Fault("ST-07", ("buffered", "first byte"), payload=STREAM),
    "no_bidirectional_label": Fault(
        "BD-01", ("bidirectional-streaming",), labels=unlabelled("bidirectional-streaming")
    ),
    "no_web_socket": Fault("BD-02", ("404",)),
    "no_query": Fault("BD-03", ("404", "query")),
    "busy_web_socket": Fault("BD-04", ("503", "while a WebSocket is open")),
    "empty_pong": Fault("BD-05", ("Pong",)),
    "no_text": Fault("BD-06", ("1003",), ("BD-07",)),
    "no_fragments": Fault("BD-07", ("1002",)),
    "no_close": Fault("BD-08", ("Close",)),
    "slow_web_socket": Fault("BD-09", ("250 ms",)),
    "no_multi_model_label": Fault(
        "MM-01", ("multi-models",), is_multi_model=True, labels=unlabelled("multi-models")
    ),
    "no_port_label": Fault(
        "MM-02", ("LABEL",), is_multi_model=True, labels=unlabelled("accept-bind-to-port")
    ),
    "needs_model": multi_model("MM-03", "no model"),
    "load_fails": multi_model("MM-04", "400", others=("MM-11",)),
    "load_twice": multi_model("MM-05", "200 instead of 409"),
    "memory_error": multi_model("MM-06", "after 3 models", "500 instead of 507"),
    "models_unlisted": multi_model("MM-07", "checked"),
    "find_unknown_model": multi_model("MM-08", "200 instead of 404", others=("MM-09",)),
    "unload_unknown_model": multi_model("MM-09", "200 instead of 404"),
    "invoke_unknown_model": multi_model("MM-10", "200 instead of 404"),
    "short_names": multi_model("MM-11", "64 characters", "400"),
    "models_of_one_worker": multi_model("MM-15", "differs", "10"),
    "batch_ping": Fault("BT-01", ("the limit is 2 s",)),
    "batch_fails": Fault(
        "BT-01",
        ("500 instead of 200", "SAGEMAKER_BATCH=true"),
        ("BT-02", "BT-03", "BT-07", "BT-09"),
    ),
    "batch_spelling": Fault("BT-02", ("True",)),
    "needs_strategy": Fault("BT-03", ("STRATEGY is missing",), ("BT-01", "BT-02")),
    "execution_parameters": Fault("BT-04", ("six",)),
    "strategy": Fault("BT-05", ("many",)),
    "no_chunks": Fault("BT-07", ("411", "chunks")),
    "once": Fault("BT-09", ("409", "sent before")),
    "drops_records": Fault("BT-10", ("3 records have 1",), payload=LINES),
    "needs_line_break": Fault("BT-11", ("3 records, without 2",), payload=LINES),
    "no_json": Fault("DC-01", ("not JSON", "a text")),
    "nan": Fault("DC-01", ("NaN is not JSON", "null")),
    "html_type": Fault("DC-01", ("a response of text/html is JSON",)),
    "gzip": Fault("DC-01", ("Content-Encoding: gzip without Accept-Encoding",)),
    "length_in_characters": Fault("DC-01", ("4 bytes follow", "not of its characters"), ("OB-08",)),
    "surplus": Fault("OB-08", ("2 bytes follow its Content-Length of 23 B",)),
    "both_lengths": Fault("OB-08", ("Content-Length and Transfer-Encoding together",)),
    "closes_late": Fault("OB-08", ("Connection: close", "no answer", "no POST")),
    "unread_body": Fault("OB-08", ("refused with 415", "a request of its own")),
    "leaves_files": Fault("DC-03", ("24 requests left 24",)),
}
# Each waits out a limit of the platform. In images they take the seconds that they name; in a test
# the clock runs `FASTER` times as fast.
FASTER = 1000
SLOW_FAULTS = {
    "slow_answer 62": Fault("SV-07", ("62 s", "60 s"), ("RT-32",), is_serverless=True),
    "slow_load 362": multi_model("MM-12", "362 s", "360 s"),
}
