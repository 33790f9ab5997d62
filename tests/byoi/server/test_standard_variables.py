"""Variables of AWS's containers: the same as a setting, standing in for one, or refused by name."""

import dataclasses

import pytest
from processes import run_to_its_end, the_line

from byoi import errors
from byoi.server import standard_variables
from byoi.server.settings import Settings

TIMEOUTS = standard_variables.OTHER_NAMES["BYOI_INVOCATION_TIMEOUT_S"]


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        *((name, "90", "invocation_timeout_s", 90) for name in TIMEOUTS),
        ("SAGEMAKER_GUNICORN_WORKERS", "3", "workers", 3),
        ("SAGEMAKER_NUM_MODEL_WORKERS", "3", "workers", 3),
        ("MODEL_SERVER_WORKERS", "3", "workers", 3),
        ("SAGEMAKER_GUNICORN_THREADS", "4", "threads", 4),
        ("LOG_LEVEL", "warn", "log_level", "WARNING"),
        ("SAGEMAKER_GUNICORN_LOGLEVEL", "critical", "log_level", "CRITICAL"),
    ],
)
def test_another_name_sets_the_setting_and_reaches_the_workers(name, text, field, value):
    found = Settings.from_environ({name: text})
    assert getattr(found, field) == value
    assert Settings.from_environ({name: text, **found.to_environ()}) == found
    assert Settings.from_environ({name: " "}) == Settings(), "empty says nothing"


def test_empty_says_nothing_under_the_settings_own_name_too():
    own = [field.metadata["variable"] for field in dataclasses.fields(Settings)]
    standard = [name for name in own if not name.startswith("BYOI_")]
    assert Settings.from_environ(dict.fromkeys(standard, "")) == Settings()
    assert Settings.from_environ({standard[0]: " "}).port == Settings().port


def test_every_other_name_is_tried_here():
    names = {name for names in standard_variables.OTHER_NAMES.values() for name in names}
    names |= {name for names in standard_variables.STAND_INS.values() for name in names}
    assert names == {
        *TIMEOUTS,
        "SAGEMAKER_GUNICORN_WORKERS",
        "SAGEMAKER_NUM_MODEL_WORKERS",
        "MODEL_SERVER_WORKERS",
        "SAGEMAKER_GUNICORN_THREADS",
        "LOG_LEVEL",
        "SAGEMAKER_GUNICORN_LOGLEVEL",
    }


def test_in_a_transform_too_the_deadline_is_what_a_variable_says():
    environ = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "1800"}
    assert Settings.from_environ(environ).invocation_timeout_s == 1800


def test_names_that_agree_are_one():
    environ = dict.fromkeys([*TIMEOUTS, "BYOI_INVOCATION_TIMEOUT_S"], "90")
    assert Settings.from_environ(environ).invocation_timeout_s == 90


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"SAGEMAKER_GUNICORN_TIMEOUT_SECONDS": "30", "BYOI_INVOCATION_TIMEOUT_S": "60"},
            (
                "BYOI_INVOCATION_TIMEOUT_S='60' and SAGEMAKER_GUNICORN_TIMEOUT_SECONDS='30' are "
                "names of the same setting and have different values; set them to one value, or "
                "unset all but BYOI_INVOCATION_TIMEOUT_S"
            ),
        ),
        (
            {
                "SAGEMAKER_MODEL_SERVER_TIMEOUT": "30",
                "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "60",
            },
            (
                "SAGEMAKER_MODEL_SERVER_TIMEOUT='30' and "
                "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS='60' are names of the same setting"
            ),
        ),
    ],
)
def test_names_that_differ_are_refused(environ, message):
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.from_environ(environ)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "4000", "a number of seconds above 0, at most 3600"),
        ("SAGEMAKER_GUNICORN_TIMEOUT_SECONDS", "0", "a number of seconds above 0"),
        ("SAGEMAKER_GUNICORN_WORKERS", "many", "a whole number from 1 to 256"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_under_the_name_that_it_has(name, text, expected):
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.from_environ({name: text})
    assert str(caught.value).startswith(f"{name}={text!r}: expected {expected}")


def test_what_stands_in_is_not_looked_at_where_the_setting_is_set():
    environ = {"LOG_LEVEL": "whatever another program reads", "SAGEMAKER_GUNICORN_LOGLEVEL": "info"}
    found = Settings.from_environ({**environ, "SAGEMAKER_CONTAINER_LOG_LEVEL": "40"})
    assert found.log_level == "ERROR"
    environ["LOG_LEVEL"] = "debug"
    assert Settings.from_environ(environ).log_level == "DEBUG"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("SAGEMAKER_REQUIREMENTS", "requirements.txt", "install them into the image"),
        ("SAGEMAKER_MULTI_MODEL", "true", "make an endpoint for each"),
        ("SAGEMAKER_MULTI_MODEL_UNIVERSAL_BUCKET", "b", "make an endpoint for each"),
        ("SAGEMAKER_GUNICORN_WORKER_CLASS", "gevent", "set BYOI_THREADS instead"),
        ("SAGEMAKER_GUNICORN_KEEPALIVE", "5", "settings are the server's own"),
        ("SAGEMAKER_NGINX_WORKERS", "2", "settings are the server's own"),
        ("SAGEMAKER_TFS_MAX_BATCH_SIZE", "8", "set BYOI_BATCH_SIZE instead"),
        ("SAGEMAKER_TFS_DEFAULT_MODEL_NAME", "m", "TensorFlow Serving, which is not here"),
        ("SAGEMAKER_TS_MAX_BATCH_DELAY", "100", "set BYOI_BATCH_WAIT_MS instead"),
        ("SAGEMAKER_MODEL_SERVER_VMARGS", "-Xmx1g", "Java virtual machine"),
        ("SAGEMAKER_STARTUP_TIMEOUT", "600", "ContainerStartupHealthCheckTimeoutInSeconds"),
        ("SAGEMAKER_BASE_DIR", "/opt/ml2", "set BYOI_MODEL_DIR instead"),
    ],
)
def test_what_this_server_does_not_do_is_refused_by_name(name, value, remedy):
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.from_environ({name: value})
    assert str(caught.value).startswith(f"{name}={value!r}: this server does not do that")
    assert remedy in str(caught.value)


@pytest.mark.parametrize("value", ["", " ", "false", "False", "0"])
def test_what_asks_for_nothing_is_taken(value):
    names = [*standard_variables.REFUSED, "SAGEMAKER_TFS_ANYTHING"]
    assert Settings.from_environ(dict.fromkeys(names, value)) == Settings()


def test_what_is_so_anyway_is_taken():
    environ = {"SAGEMAKER_BASE_DIR": "/opt/ml/", "SAGEMAKER_MODEL_PATH": "/opt/ml/model"}
    assert Settings.from_environ(environ) == Settings()


def test_what_needs_nothing_is_taken():
    names = standard_variables.NOTHING_TO_DO
    assert Settings.from_environ(dict.fromkeys(names, "8081-8099")) == Settings()


def test_serve_ends_with_2_and_one_line():
    done = run_to_its_end(SAGEMAKER_GUNICORN_WORKER_CLASS="gevent")
    assert done.returncode == 2
    message = the_line(done.stderr)["message"]
    assert message.startswith("SAGEMAKER_GUNICORN_WORKER_CLASS='gevent': this server does not")
