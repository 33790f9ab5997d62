"""Every variable: default, value, refusal; each parser."""

import dataclasses
import logging
from pathlib import Path

import pytest

from byoi import contract, errors
from byoi.server import settings, variables
from byoi.server.settings import Settings


def test_an_empty_environment_gives_the_contracts_values():
    default = Settings.from_environ({})
    assert default == Settings()
    assert (default.port, default.bind_address) == (8080, "0.0.0.0")
    assert default.model_dir == contract.MODEL_DIR
    assert default.invocation_timeout_s == 60
    assert default.body_limit_bytes == 25 * 1024 * 1024


def test_the_platforms_and_other_programs_variables_are_left_alone():
    assert Settings.from_environ({"PATH": "/bin", "SAGEMAKER_REGION": "eu-west-1"}) == Settings()
    assert Settings.from_environ(dict.fromkeys(settings.OTHER_VARIABLES, "x")) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "9000", "port", 9000),
        ("BYOI_BIND_ADDRESS", "127.0.0.1", "bind_address", "127.0.0.1"),
        ("BYOI_MODEL_DIR", "some/where", "model_dir", Path.cwd() / "some/where"),
        ("BYOI_INFERENCE_MODULE", "a.b", "inference_module", "a.b"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "3", "workers", 3),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "auto", "workers", 0),
        ("BYOI_THREADS", "1", "threads", 1),
        ("BYOI_INVOCATION_TIMEOUT_S", "0.5", "invocation_timeout_s", 0.5),
        ("BYOI_BODY_TIMEOUT_S", "3600", "body_timeout_s", 3600),
        ("BYOI_BODY_LIMIT_BYTES", "0", "body_limit_bytes", 0),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv", "default_accept", "text/csv"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", str(logging.ERROR), "log_level", "ERROR"),
        ("BYOI_NGINX", "off", "proxy", "off"),
        ("BYOI_PAGE", "on", "page", "on"),
        ("BYOI_PAGE", "1", "page", "on"),
        ("BYOI_RELOAD", "0", "reload", "off"),
        ("BYOI_SAMPLE_REQUEST", "sample.json", "sample_request", "sample.json"),
    ],
)
def test_a_variable_sets_its_field(variable, text, field, value):
    assert getattr(Settings.from_environ({variable: text}), field) == value


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "0", "a whole number from 1 to 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "65536", "a whole number from 1 to 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "http", "a whole number from 1 to 65535"),
        ("BYOI_BIND_ADDRESS", " ", "a value that is not empty"),
        ("BYOI_BIND_ADDRESS", "localhost;", "an IPv4 address"),
        ("BYOI_MODEL_DIR", "", "a value that is not empty"),
        ("BYOI_INFERENCE_MODULE", "", "a value that is not empty"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "0", "from 1 to 256, or auto"),
        ("BYOI_THREADS", "4.5", "a whole number"),
        ("BYOI_INVOCATION_TIMEOUT_S", "0", "above 0, at most 3600"),
        ("BYOI_INVOCATION_TIMEOUT_S", "nan", "above 0, at most 3600"),
        ("BYOI_INVOCATION_TIMEOUT_S", "a minute", "above 0, at most 3600"),
        ("BYOI_BODY_LIMIT_BYTES", "25MB", "a whole number"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "json", "one media type"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "*/*", "one media type"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "a/b,c/d", "one media type"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "loud", "one of DEBUG, INFO"),
        ("BYOI_NGINX", "yes", "auto or off"),
        ("SAGEMAKER_BATCH", "yes", "true or false"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "6.5", "a whole number from 0 to 1024"),
        ("SAGEMAKER_BATCH_STRATEGY", "Multi", "SINGLE_RECORD or MULTI_RECORD"),
        ("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", "many", "a whole number from 0 to 1000"),
        ("BYOI_TRANSFORM_LINE_END", "yes", "1 or 0"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(variable, text, expected):
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.from_environ({variable: text})
    assert str(caught.value).startswith(f"{variable}={text!r}: expected ")
    assert expected in str(caught.value)


def test_one_limit_under_two_names_has_one_value():
    environ = {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "1", "BYOI_BODY_LIMIT_BYTES": str(2**20)}
    assert Settings.from_environ(environ).body_limit_bytes == 2**20
    with pytest.raises(errors.ConfigurationError, match="are one setting; unset one"):
        Settings.from_environ({**environ, "BYOI_BODY_LIMIT_BYTES": "7"})


def test_a_misspelt_variable_is_refused_and_the_right_one_named():
    with pytest.raises(errors.ConfigurationError, match="did you mean BYOI_MODEL_DIR"):
        Settings.from_environ({"BYOI_MODELDIR": "/x"})
    with pytest.raises(errors.ConfigurationError, match=r"BYOI_QQQQQQ='1': no such .* remove it"):
        Settings.from_environ({"BYOI_QQQQQQ": "1"})


@pytest.mark.parametrize(
    ("environ", "module"),
    [
        ({}, "byoi.models.inference"),
        ({"SAGEMAKER_PROGRAM": "", "SAGEMAKER_SUBMIT_DIRECTORY": ""}, "byoi.models.inference"),
        ({"SAGEMAKER_PROGRAM": "own.py"}, "MODEL/code/own.py"),
        ({"SAGEMAKER_PROGRAM": "own"}, "MODEL/code/own.py"),
        (
            {"SAGEMAKER_PROGRAM": "deep/own.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/c"},
            "/c/deep/own.py",
        ),
        ({"SAGEMAKER_SUBMIT_DIRECTORY": "file:///c"}, "/c/inference.py"),
        ({"SAGEMAKER_PROGRAM": "own.py", "BYOI_INFERENCE_MODULE": "mine"}, "mine"),
    ],
)
def test_the_module_is_the_one_that_is_named_else_that_of_model_files(tmp_path, environ, module):
    found = Settings.from_environ({"BYOI_MODEL_DIR": str(tmp_path), **environ})
    assert found.module() == module.replace("MODEL", str(tmp_path))
    assert Settings.from_environ(found.to_environ()) == found


def test_this_repositorys_model_data_are_known_by_their_manifest(tmp_path):
    (tmp_path / "manifest.json").touch()
    (tmp_path / "model.onnx").touch()
    found = Settings.from_environ({"BYOI_MODEL_DIR": str(tmp_path)})
    assert found.module() == "byoi_lib.inference"


def test_a_script_in_the_model_data_is_found(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").touch()
    found = Settings.from_environ({"BYOI_MODEL_DIR": str(tmp_path)})
    assert found.module() == str(tmp_path / "code" / "inference.py")


def test_the_module_of_an_image_serves_where_nothing_else_names_one(tmp_path):
    environ = {"BYOI_MODEL_DIR": str(tmp_path), "BYOI_IMAGE_MODULE": "/opt/program/mine.py"}
    assert Settings.from_environ(environ).module() == "/opt/program/mine.py"
    script = tmp_path / "code" / "inference.py"
    script.parent.mkdir()
    script.touch()
    assert Settings.from_environ(environ).module() == str(script)
    named = {**environ, "BYOI_INFERENCE_MODULE": "other"}
    assert Settings.from_environ(named).module() == "other"


def test_a_script_that_another_module_hides_is_told(tmp_path):
    environ = {"BYOI_MODEL_DIR": str(tmp_path), "BYOI_INFERENCE_MODULE": "other"}
    assert Settings.from_environ(environ).unused_script() is None
    script = tmp_path / "code" / "inference.py"
    script.parent.mkdir()
    script.touch()
    assert Settings.from_environ(environ).unused_script() == script
    same = {**environ, "BYOI_INFERENCE_MODULE": str(script)}
    assert Settings.from_environ(same).unused_script() is None


def test_a_script_that_would_have_to_be_fetched_is_refused():
    with pytest.raises(errors.ConfigurationError, match="Nothing is fetched at start"):
        Settings.from_environ({"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/code.tar.gz"})


def test_settings_travel_through_the_environment_unchanged():
    changed = Settings.from_environ(
        {"BYOI_MODEL_DIR": "/m", "BYOI_INVOCATION_TIMEOUT_S": "1.5", "BYOI_NGINX": "off"}
    )
    assert Settings.from_environ(changed.to_environ()) == changed
    assert Settings.from_environ(Settings().to_environ()) == Settings()


def test_the_default_model_dir_is_not_passed_on_so_that_the_baked_model_stays_a_fallback():
    assert "BYOI_MODEL_DIR" not in Settings().to_environ()


@pytest.mark.parametrize("content", [None, (), ("model.onnx",)])
def test_the_baked_model_stands_in_where_model_dir_is_empty_or_absent(tmp_path, content):
    baked, mounted = tmp_path / "baked", tmp_path / "mounted"
    baked.mkdir()
    if content is not None:
        mounted.mkdir()
        for name in content:
            (mounted / name).touch()
    found = Settings().model_directory(baked=baked, mounted=mounted)
    assert found == (mounted if content else baked)


def test_a_directory_that_cannot_be_read_is_not_silently_replaced(tmp_path, monkeypatch):
    def refuse(_path):
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)  # root, who may run the tests, reads everything
    assert Settings().model_directory(baked=tmp_path, mounted=tmp_path / "m") == tmp_path / "m"


def test_without_a_baked_model_the_contracts_directory_is_used(tmp_path):
    assert Settings().model_directory(baked=tmp_path / "none") == contract.MODEL_DIR


def test_a_directory_that_was_asked_for_is_used_whatever_it_holds(tmp_path):
    asked = Settings(model_dir=tmp_path / "asked")
    assert asked.model_directory(baked=tmp_path) == tmp_path / "asked"


def test_every_field_says_what_it_means():
    for field in dataclasses.fields(Settings):
        assert field.metadata["variable"].startswith(("BYOI_", "SAGEMAKER_"))
        assert field.metadata["meaning"].endswith(".")


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (variables.parse_whole(1, 3), "1", 1),
        (variables.parse_whole(1, 3), "3", 3),
        (variables.parse_seconds, "0.001", 0.001),
        (variables.parse_seconds, "3600", 3600.0),
        (variables.parse_workers, "256", 256),
        (variables.parse_media_type, "application/vnd.x+json", "application/vnd.x+json"),
        (variables.parse_log_level, "30", "WARNING"),
        (variables.parse_log_level, " 0 ", "DEBUG"),
        (variables.parse_log_level, "11", "INFO"),
        (variables.parse_log_level, "20", "INFO"),
        (variables.parse_log_level, "50", "CRITICAL"),
        (variables.parse_log_level, "Info", "INFO"),
        (variables.parse_log_level, "warn", "WARNING"),
        (variables.parse_log_level, "Fatal", "CRITICAL"),
        (variables.parse_log_level, "trace", "DEBUG"),
        (variables.parse_log_level, "crit", "CRITICAL"),
        (variables.parse_log_level, "emerg", "CRITICAL"),
        (variables.parse_workers, "Auto", 0),
        (variables.parse_address, "255.0.0.1", "255.0.0.1"),
        (variables.parse_path, "/a b/c", Path("/a b/c")),
        (variables.parse_modules, "", ""),
        (variables.parse_modules, " ", ""),
        (variables.parse_modules, "numpy, onnxruntime.capi", "numpy,onnxruntime.capi"),
    ],
)
def test_the_edges_of_what_is_taken(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (variables.parse_whole(1, 3), "4", "a whole number from 1 to 3"),
        (variables.parse_seconds, "3600.1", "at most 3600"),
        (variables.parse_seconds, "inf", "at most 3600"),
        (variables.parse_workers, "257", "or auto"),
        (variables.parse_media_type, "/json", "one media type"),
        (variables.parse_media_type, "text/csv; header=present", "one media type"),
        (variables.parse_log_level, "51", "one of DEBUG"),
        (variables.parse_log_level, "-1", "one of DEBUG"),
        (variables.parse_log_level, "²", "one of DEBUG"),
        (variables.parse_address, "256.0.0.1", "an IPv4 address"),
        (variables.parse_address, "1.2.3", "an IPv4 address"),
        (variables.parse_address, "::1", "an IPv4 address"),
        (variables.parse_path, " ", "not empty"),
        (variables.parse_modules, "numpy,", "names of modules, separated by commas"),
        (variables.parse_modules, "no-name", "names of modules, separated by commas"),
        (variables.parse_modules, "numpy,tensorflow.keras", "other than tensorflow and keras"),
    ],
)
def test_just_beyond_them_the_error_says_what_was_expected(parse, text, expected):
    with pytest.raises(ValueError, match=expected):
        parse(text)
