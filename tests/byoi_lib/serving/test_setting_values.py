"""Text to value, one function at a time; test_settings has them by variable."""

from pathlib import Path

import pytest

from byoi_lib.serving import setting_values


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (setting_values.whole(1, 3), "1", 1),
        (setting_values.whole(1, 3), "3", 3),
        (setting_values.seconds, "0.001", 0.001),
        (setting_values.seconds, "3600", 3600.0),
        (setting_values.workers, "256", 256),
        (setting_values.media_type, "application/vnd.x+json", "application/vnd.x+json"),
        (setting_values.log_level, "30", "WARNING"),
        (setting_values.address, "255.0.0.1", "255.0.0.1"),
        (setting_values.path, "/a b/c", Path("/a b/c")),
        (setting_values.modules, "", ""),
        (setting_values.modules, " ", ""),
        (setting_values.modules, "numpy, onnxruntime.capi", "numpy,onnxruntime.capi"),
    ],
)
def test_the_edges_of_what_is_taken(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (setting_values.whole(1, 3), "4", "a whole number from 1 to 3"),
        (setting_values.seconds, "3600.1", "at most 3600"),
        (setting_values.seconds, "inf", "at most 3600"),
        (setting_values.workers, "257", "or auto for one a CPU"),
        (setting_values.media_type, "/json", "one media type"),
        (setting_values.media_type, "text/csv; header=present", "one media type"),
        (setting_values.log_level, "60", "one of DEBUG"),
        (setting_values.address, "256.0.0.1", "an IPv4 address"),
        (setting_values.address, "1.2.3", "an IPv4 address"),
        (setting_values.address, "::1", "an IPv4 address"),
        (setting_values.path, " ", "not empty"),
        (setting_values.modules, "numpy,", "names of modules, separated by commas"),
        (setting_values.modules, "no-name", "names of modules, separated by commas"),
        (setting_values.modules, "numpy,tensorflow.keras", "other than tensorflow and keras"),
    ],
)
def test_just_beyond_them_the_error_says_what_was_expected(parse, text, expected):
    with pytest.raises(ValueError, match=expected):
        parse(text)
