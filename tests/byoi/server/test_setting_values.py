"""Text to value, one function at a time; test_settings has them by variable."""

from pathlib import Path

import pytest

from byoi.server import settings


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (settings.parse_whole(1, 3), "1", 1),
        (settings.parse_whole(1, 3), "3", 3),
        (settings.parse_seconds, "0.001", 0.001),
        (settings.parse_seconds, "3600", 3600.0),
        (settings.parse_workers, "256", 256),
        (settings.parse_media_type, "application/vnd.x+json", "application/vnd.x+json"),
        (settings.parse_log_level, "30", "WARNING"),
        (settings.parse_address, "255.0.0.1", "255.0.0.1"),
        (settings.parse_path, "/a b/c", Path("/a b/c")),
        (settings.parse_modules, "", ""),
        (settings.parse_modules, " ", ""),
        (settings.parse_modules, "numpy, onnxruntime.capi", "numpy,onnxruntime.capi"),
    ],
)
def test_the_edges_of_what_is_taken(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (settings.parse_whole(1, 3), "4", "a whole number from 1 to 3"),
        (settings.parse_seconds, "3600.1", "at most 3600"),
        (settings.parse_seconds, "inf", "at most 3600"),
        (settings.parse_workers, "257", "or auto for one a CPU"),
        (settings.parse_media_type, "/json", "one media type"),
        (settings.parse_media_type, "text/csv; header=present", "one media type"),
        (settings.parse_log_level, "60", "one of DEBUG"),
        (settings.parse_address, "256.0.0.1", "an IPv4 address"),
        (settings.parse_address, "1.2.3", "an IPv4 address"),
        (settings.parse_address, "::1", "an IPv4 address"),
        (settings.parse_path, " ", "not empty"),
        (settings.parse_modules, "numpy,", "names of modules, separated by commas"),
        (settings.parse_modules, "no-name", "names of modules, separated by commas"),
        (settings.parse_modules, "numpy,tensorflow.keras", "other than tensorflow and keras"),
    ],
)
def test_just_beyond_them_the_error_says_what_was_expected(parse, text, expected):
    with pytest.raises(ValueError, match=expected):
        parse(text)
