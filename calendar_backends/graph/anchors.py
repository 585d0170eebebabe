"""Through which mailbox a getSchedule goes.

The user in its path need not be one of those asked about, but a path to a mailbox that is not there, or not
in the app's scope, fails the call for all of them. Which user to take is not documented
(https://github.com/microsoftgraph/microsoft-graph-docs/issues/13075). Graph serves four calls at a time for
one app and mailbox (https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits).
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition

from calendar_backends.base import CalendarError, Deadline, Throttles, share
from calendar_backends.core.appointments import each_once
from calendar_backends.core.errors import SERVER_BUSY, TIMEOUT_EXPIRED
from calendar_backends.core.inquiry import BUSY_SECONDS

AT_ONCE = 4
#: Seconds for which a mailbox that failed as an anchor is tried last.
BAD_FOR = 600.0
#: How many mailboxes of other calls are remembered as good, and how many as bad.
MOST_GOOD, MOST_BAD = 8, 1000


class Anchors:
    """Remembers which mailboxes work and how many calls each is carrying. Safe to use from all threads."""

    def __init__(self, configured: str, throttles: Throttles) -> None:
        self._configured = configured
        self._throttles = throttles
        self._good: OrderedDict[str, None] = OrderedDict()
        self._bad: OrderedDict[str, float] = OrderedDict()
        self._carrying: Counter[str] = Counter()
        self._freed = Condition()

    @contextmanager
    def hold(self, chunk: Sequence[str], tried: Collection[str], deadline: Deadline) -> Iterator[str | None]:
        """A mailbox to go through, with room for one more call; None when all were ``tried`` (lower case).

        Raises CalendarError: ErrorTimeoutExpired where none gets free in time, ErrorServerBusy where those
        that may work are throttled.
        """
        anchor = self._take(chunk, tried, deadline)
        try:
            yield anchor
        except CalendarError:
            if anchor is not None:
                self._silent(anchor)
            raise
        finally:
            if anchor is not None:
                self._give_back(anchor)

    def worked(self, anchor: str) -> None:
        with self._freed:
            self._bad.pop(anchor.lower(), None)
            self._good[anchor.lower()] = None
            self._good.move_to_end(anchor.lower())
            if len(self._good) > MOST_GOOD:
                self._good.popitem(last=False)

    @property
    def any_good(self) -> bool:
        return bool(self._good)

    def throttled(self, anchor: str, error: CalendarError) -> None:
        """Exchange wants this mailbox left alone for a while."""
        pause = BUSY_SECONDS if error.retry_after is None else error.retry_after
        self._throttles.hold(anchor.lower(), pause)

    def _silent(self, anchor: str) -> None:
        """No answer came. It may be this mailbox that hangs: nobody else is asked about through it."""
        with self._freed:
            self._good.pop(anchor.lower(), None)

    def failed(self, anchor: str) -> None:
        with self._freed:
            self._good.pop(anchor.lower(), None)
            self._bad[anchor.lower()] = time.monotonic() + BAD_FOR
            self._bad.move_to_end(anchor.lower())
            if len(self._bad) > MOST_BAD:
                self._bad.popitem(last=False)

    def _take(self, chunk: Sequence[str], tried: Collection[str], deadline: Deadline) -> str | None:
        with self._freed:
            while candidates := self._unthrottled(self._candidates(chunk, tried)):
                for anchor in candidates:
                    if self._carrying[anchor.lower()] < share(AT_ONCE):
                        self._carrying[anchor.lower()] += 1
                        return anchor
                if not self._freed.wait(deadline.left()):
                    raise CalendarError(TIMEOUT_EXPIRED, "waiting for an anchor mailbox")
            return None

    def _unthrottled(self, candidates: Sequence[str]) -> list[str]:
        """Those that may be used now. Raises CalendarError ErrorServerBusy where the others are all bad."""
        pauses = [self._pause(anchor) for anchor in candidates]
        free = [anchor for anchor, pause in zip(candidates, pauses, strict=True) if not pause]
        if any(pauses) and all(map(self._is_bad, free)):
            detail = "every anchor mailbox that may work is throttled"
            pause = min(filter(None, pauses))
            raise CalendarError(SERVER_BUSY, detail, retry_after=pause, asked=False)
        return free

    def _give_back(self, anchor: str) -> None:
        with self._freed:
            self._carrying[anchor.lower()] -= 1
            if not self._carrying[anchor.lower()]:
                del self._carrying[anchor.lower()]
            self._freed.notify_all()

    def _candidates(self, chunk: Sequence[str], tried: Collection[str]) -> list[str]:
        """The configured one alone while it works, else the known good ones, the chunk, and bad ones last."""
        configured = self._configured
        if configured and not self._is_bad(configured) and not self._pause(configured):
            candidates = [configured]
        else:
            rest = sorted([*chunk, *filter(None, [configured])], key=self._is_bad)
            candidates = each_once([*self._known_good(chunk), *rest])
        return [anchor for anchor in candidates if anchor.lower() not in tried]

    def _known_good(self, chunk: Sequence[str]) -> list[str]:
        """Those with the fewest calls first, and among them those that are in the chunk."""
        spelled = {mailbox.lower(): mailbox for mailbox in chunk}
        good = sorted(self._good, key=lambda anchor: (self._carrying[anchor], anchor not in spelled))
        return [spelled.get(anchor, anchor) for anchor in good]

    def _is_bad(self, anchor: str) -> bool:
        return self._bad.get(anchor.lower(), 0.0) > time.monotonic()

    def _pause(self, anchor: str) -> float:
        """Seconds for which Exchange wants it left alone."""
        return self._throttles.left(anchor.lower())
