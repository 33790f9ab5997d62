"""GET /execution-parameters: from the operator, from the module, absent; what is refused."""

import json
from types import SimpleNamespace

import pytest
from contract_cases import assert_error
from processes import FUNCTIONS, free_port, run_to_its_end, the_line

from byoi import errors
from byoi.server import execution_parameters
from byoi.server.settings import Settings

ALL = {"MaxConcurrentTransforms": 2, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
OWN = f"BYOI_EXECUTION_PARAMETERS = {ALL!r}\ndef model_fn(model_dir): return 1\n" + FUNCTIONS
NONE = "def model_fn(model_dir): return 1\n" + FUNCTIONS


@pytest.mark.parametrize(
    "parameters",
    [
        ALL,
        {"MaxConcurrentTransforms": 100, "MaxPayloadInMB": 1},
        {"MaxPayloadInMB": 0, "MaxConcurrentTransforms": 100},
        {"BatchStrategy": "SingleRecord"},
    ],
)
def test_whole_and_in_part_they_are_taken_as_they_are(parameters):
    assert json.loads(execution_parameters.parse(json.dumps(parameters))) == parameters
    module = SimpleNamespace(BYOI_EXECUTION_PARAMETERS=parameters)
    assert json.loads(execution_parameters.of_module(module, "m")) == parameters


@pytest.mark.parametrize(
    "text",
    [
        "6",
        "{}",
        "[]",
        "no json",
        "[" * 10_000,
        '{"MaxPayloadInMb": 6}',
        '{"MaxPayloadInMB": 101}',
        '{"MaxPayloadInMB": -1}',
        '{"MaxPayloadInMB": "6"}',
        '{"MaxPayloadInMB": true}',
        '{"MaxConcurrentTransforms": 0}',
        '{"MaxConcurrentTransforms": 3, "MaxPayloadInMB": 34}',
        '{"BatchStrategy": "Multi"}',
        '{"BatchStrategy": ["MultiRecord"]}',
    ],
)
def test_others_are_refused_with_what_is_expected(text):
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.from_environ({"BYOI_EXECUTION_PARAMETERS": text})
    assert str(caught.value).startswith(f"BYOI_EXECUTION_PARAMETERS={text!r}: expected an object")


def test_none_are_none():
    assert execution_parameters.parse(" ") == ""
    assert execution_parameters.of_module(SimpleNamespace(), "m") == ""
    assert execution_parameters.payload_bytes("") is None


def test_a_modules_own_are_checked_too():
    module = SimpleNamespace(BYOI_EXECUTION_PARAMETERS={"MaxPayload": 6})
    with pytest.raises(errors.ConfigurationError, match=r"^mine has BYOI_EXECUTION_PARAM.* expect"):
        execution_parameters.of_module(module, "mine")


@pytest.mark.parametrize("proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"])
class TestServed:
    @pytest.mark.parametrize(
        ("source", "environ", "expected"),
        [
            (OWN, {}, ALL),
            (NONE, {"BYOI_EXECUTION_PARAMETERS": '{"MaxPayloadInMB": 9}'}, {"MaxPayloadInMB": 9}),
            (OWN, {"BYOI_EXECUTION_PARAMETERS": '{"MaxPayloadInMB": 9}'}, {"MaxPayloadInMB": 9}),
            (OWN, {"SAGEMAKER_BATCH": "TRUE"}, ALL),
        ],
    )
    def test_they_are_the_operators_else_the_modules(self, start, proxy, source, environ, expected):
        target = start(source, BYOI_NGINX=proxy, **environ).target
        answer = target.send("GET", "/execution-parameters")
        assert (answer.status, answer.json) == (200, expected)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Request-Id"]
        assert target.send("HEAD", "/execution-parameters?x=1").status == 200
        refused = target.send("POST", "/execution-parameters")
        assert_error(refused, 405, "MethodNotAllowed")
        assert refused.headers["Allow"] == "GET, HEAD"

    def test_where_nobody_says_any_there_are_none(self, start, proxy):
        target = start(NONE, BYOI_NGINX=proxy, SAGEMAKER_BATCH="true").target
        assert_error(target.send("GET", "/execution-parameters"), 404, "NotFound")

    def test_a_changed_module_changes_them(self, start, proxy, tmp_path):
        target = start(OWN, BYOI_NGINX=proxy, BYOI_RELOAD="on").target
        assert target.send("POST", "/invocations", b"x").status == 200
        assert target.send("GET", "/execution-parameters").json == ALL
        (tmp_path / "own_module.py").write_text(NONE)
        assert target.send("POST", "/invocations", b"x").status == 200
        assert target.send("GET", "/execution-parameters").status == 404


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("payload_mb", [0, 50])
def test_what_a_module_wants_must_fit_into_the_limit_of_before_it_was_loaded(tmp_path, payload_mb):
    module = tmp_path / "own.py"
    module.write_text(f"BYOI_EXECUTION_PARAMETERS = {{'MaxPayloadInMB': {payload_mb}}}\n" + NONE)
    environ = {"BYOI_INFERENCE_MODULE": str(module), "SAGEMAKER_BIND_TO_PORT": free_port()}
    environ |= {"SAGEMAKER_BATCH": "true", "BYOI_BODY_LIMIT_BYTES": "1000"}
    done = run_to_its_end(**environ)
    assert done.returncode == 1
    message = the_line(done.stderr)["message"]
    assert "the limit of a body is 1000 bytes" in message
    assert "set the variable BYOI_EXECUTION_PARAMETERS to the same text" in message
