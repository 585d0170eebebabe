"""What worker processes tell each other about an Exchange, through the cache.

Until when it wants to be left alone; and that it cannot be used as the Org is connected (wrong password, EWS
switched off, no permission), so that the next calls are answered at once and do not lock an account by
trying again and again. Keyed by the options: corrected ones are tried at once.
"""

import logging
import time
from typing import Any

from django.core.cache import cache

from calendar_backends.base import CalendarBackend, CalendarError

logger = logging.getLogger(__name__)

#: Seconds for which a broken connection is not tried, doubled each time it is still broken.
SHORTEST_PAUSE, LONGEST_PAUSE = 30, 600
_KEPT = 3600


class Circuit:
    """What all processes know of one Exchange, read once at the start of a call."""

    def __init__(self, calendar: CalendarBackend) -> None:
        self._calendar = calendar
        self._known = _get(calendar)
        calendar.throttles.merge(self._known.get("throttles", {}))

    @property
    def error(self) -> CalendarError | None:
        """With what to answer at once, if the connection was found broken."""
        pause = self._known.get("closed_until", 0.0) - time.time()
        if pause <= 0:
            return None
        detail = "the connection is broken and not tried for a while"
        return CalendarError(self._known["code"], detail, retry_after=pause, asked=False)

    @property
    def suspect(self) -> bool:
        """Whether the connection was found broken lately, and nothing has worked since."""
        return "times" in self._known

    def remember(self, broken: CalendarError | None) -> None:
        """Tell the others what this call found out, if it is news."""
        throttles = self._calendar.throttles.pending()
        if broken is None and "times" not in self._known and throttles.items() <= self._throttles.items():
            return
        news: dict[str, Any] = {"throttles": {**self._throttles, **throttles}}
        if broken is not None:
            times = self._known.get("times", 0) + 1
            pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** (times - 1))
            news |= {"times": times, "closed_until": time.time() + pause, "code": broken.code}
            logger.error("the connection is broken, not tried for %d s: %s", pause, broken)
        _set(self._calendar, news)

    @property
    def _throttles(self) -> dict[str, float]:
        throttles: dict[str, float] = self._known.get("throttles", {})
        return throttles


def _get(calendar: CalendarBackend) -> dict[str, Any]:
    try:
        known: dict[str, Any] = cache.get(_key(calendar)) or {}
    except Exception:  # a cache that is down must not stop a booking
        logger.exception("the cache cannot be read")
        return {}
    return known


def _set(calendar: CalendarBackend, known: dict[str, Any]) -> None:
    try:
        cache.set(_key(calendar), known, _KEPT)
    except Exception:
        logger.exception("the cache cannot be written")


def _key(calendar: CalendarBackend) -> str:
    return f"exchange-{calendar.fingerprint}"
