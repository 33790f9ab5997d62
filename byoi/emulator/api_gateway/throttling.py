"""Token buckets and quotas: how many calls may pass.

Source: API Gateway Developer Guide, "Throttle requests to your REST APIs" (the bucket algorithm;
limits of usage plan, stage and account all hold).
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Hashable

# Developer Guide, "Amazon API Gateway quotas": an account's, in one region.
ACCOUNT_RATE = 10_000.0
ACCOUNT_BURST = 5_000

_PERIODS = {"DAY": "%Y-%j", "WEEK": "%G-%V", "MONTH": "%Y-%m"}


class Throttling:
    """All buckets and counts of one emulator.

    Args:
        clock: Seconds, of which only differences count.
        today: The date, for quotas.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._clock = clock
        self._today = today
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        self._counts: dict[Hashable, int] = {}

    def take(self, bucket: Hashable, *, rate: float, burst: int) -> bool:
        """Take a token, and return whether there was one.

        Args:
            bucket: Which.
            rate: Tokens that come back in a second.
            burst: Tokens it holds.
        """
        with self._lock:
            now_s = self._clock()
            tokens, then_s = self._buckets.get(bucket, (float(burst), now_s))
            tokens = min(float(burst), tokens + (now_s - then_s) * rate)
            has_one = tokens >= 1
            self._buckets[bucket] = (tokens - has_one, now_s)
            return has_one

    def count(self, who: Hashable, *, limit: int, period: str) -> bool:
        """Count a call, and return whether it is within the quota.

        Args:
            who: Whose quota.
            limit: Calls in one period.
            period: `DAY`, `WEEK` or `MONTH`.
        """
        with self._lock:
            window = (who, self._today().strftime(_PERIODS[period]))
            self._counts[window] = self._counts.get(window, 0) + 1
            return self._counts[window] <= limit
