"""How many calls may pass: token buckets and quotas."""

import datetime as dt

import pytest

from byoi.emulator.api_gateway.admission import Throttling


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def test_a_bucket_fills_up_again():
    now = [0.0]
    buckets = Throttling(clock=lambda: now[0])

    def take():
        return buckets.take("bucket", rate=2, burst=3)

    assert [take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [take(), take()] == [True, False]
    now[0] = 100
    assert [take() for _ in range(4)] == [True, True, True, False]
    assert buckets.take("another", rate=2, burst=1)
    assert not buckets.take("none", rate=0, burst=0)


@pytest.mark.parametrize(
    ("period", "same", "next_"),
    [
        ("DAY", utc(2026, 11, 24, 23), utc(2026, 11, 25)),
        ("WEEK", utc(2026, 11, 29), utc(2026, 11, 30)),
        ("MONTH", utc(2026, 11, 30), utc(2026, 12, 1)),
    ],
)
def test_a_quota_begins_anew(period, same, next_):
    today = [utc(2026, 11, 24, 1)]
    buckets = Throttling(today=lambda: today[0])

    def count():
        return buckets.count("key", limit=2, period=period)

    assert [count(), count(), count()] == [True, True, False]
    today[0] = same
    assert not count()
    today[0] = next_
    assert count()
