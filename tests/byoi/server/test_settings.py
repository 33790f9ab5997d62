"""Every variable: default, value, refusal."""

import dataclasses
import logging
from pathlib import Path

import pytest

from byoi import contract, errors
from byoi.server import settings
from byoi.server.settings import Settings


def test_an_empty_environment_gives_the_contracts_values():
    default = Settings.from_environ({})
    assert default == Settings()
    assert (default.port, default.bind_address) == (8080, "0.0.0.0")
    assert default.model_dir == contract.MODEL_DIR
    assert default.invocation_timeout_s == 60
    assert default.body_limit_bytes == 25 * 1024 * 1024


def test_the_platforms_and_other_programs_variables_are_left_alone():
    assert Settings.from_environ({"PATH": "/bin", "SAGEMAKER_BATCH": "true"}) == Settings()
    assert Settings.from_environ(dict.fromkeys(settings.OTHER_VARIABLES, "x")) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "9000", "port", 9000),
        ("BYOI_BIND_ADDRESS", "127.0.0.1", "bind_address", "127.0.0.1"),
        ("BYOI_MODEL_DIR", "some/where", "model_dir", Path.cwd() / "some/where"),
        ("BYOI_INFERENCE_MODULE", "a.b", "inference_module", "a.b"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "3", "workers", 3),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "auto", "workers", settings.available_cpus()),
        ("BYOI_THREADS", "1", "threads", 1),
        ("BYOI_INVOCATION_TIMEOUT_S", "0.5", "invocation_timeout_s", 0.5),
        ("BYOI_BODY_TIMEOUT_S", "3600", "body_timeout_s", 3600),
        ("BYOI_BODY_LIMIT_BYTES", "1", "body_limit_bytes", 1),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv", "default_accept", "text/csv"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", str(logging.ERROR), "log_level", "ERROR"),
        ("BYOI_NGINX", "off", "proxy", "off"),
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
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(variable, text, expected):
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.from_environ({variable: text})
    assert str(caught.value).startswith(f"{variable}={text!r}: expected ")
    assert expected in str(caught.value)


def test_a_misspelt_variable_is_refused_and_the_right_one_named():
    with pytest.raises(errors.ConfigurationError, match="did you mean BYOI_MODEL_DIR"):
        Settings.from_environ({"BYOI_MODELDIR": "/x"})
    with pytest.raises(errors.ConfigurationError, match=r"BYOI_QQQQQQ='1': no such .* remove it"):
        Settings.from_environ({"BYOI_QQQQQQ": "1"})


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
