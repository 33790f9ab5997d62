import datetime as dt

import pytest

from byoi import errors
from byoi.deployment import tags

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", NOW + dt.timedelta(seconds=30)),
        ("90m", NOW + dt.timedelta(minutes=90)),
        ("8h", NOW + dt.timedelta(hours=8)),
        ("3d", NOW + dt.timedelta(days=3)),
        ("never", None),
        ("2026-12-01T10:00Z", dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC)),
        ("2026-12-01T10:00", dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC)),
        ("2026-12-01T10:00+02:00", dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)),
    ],
)
def test_an_expiry_is_a_duration_a_time_or_never(text: str, expected: dt.datetime | None) -> None:
    assert tags.parse_expiry(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "8", "h", "8w", "-3d", "tomorrow", "0h", "2026-01-01", "9" * 12 + "d"]
)
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="expected 8h, 3d, never"):
        tags.parse_expiry(text, NOW)


@pytest.mark.parametrize("expires", [None, NOW, NOW.astimezone(dt.timezone(dt.timedelta(hours=5)))])
def test_tags_are_read_as_they_were_made(expires: dt.datetime | None) -> None:
    assert tags.read(tags.make("mine", expires)) == tags.Ownership("mine", expires)


def test_what_has_no_tag_of_ours_is_not_ours() -> None:
    assert tags.read([]) is None
    assert tags.read([{"Key": "byoi:expires", "Value": "2020-01-01T00:00:00Z"}]) is None
    assert tags.read([{"Key": "Name", "Value": "byoi"}]) is None


def test_nothing_expires_by_a_value_nobody_understands() -> None:
    found = tags.read(
        [{"Key": "byoi:endpoint", "Value": "x"}, {"Key": "byoi:expires", "Value": "?"}]
    )
    assert found == tags.Ownership("x", None)
    assert not found.is_expired(NOW)


def test_it_expires_at_its_time_and_not_before() -> None:
    owner = tags.Ownership("x", NOW)
    assert not owner.is_expired(NOW - dt.timedelta(seconds=1))
    assert owner.is_expired(NOW)


def test_a_value_is_one_aws_takes() -> None:
    for tag in tags.make("mine", NOW):
        assert all(character.isalnum() or character in "_.:/=+-@ " for character in tag["Value"])
    assert tags.to_text(NOW) == "2026-11-24T12:00:00Z"
