"""Through which mailbox a getSchedule goes.

The user in its path need not be one of those asked about, but a path to a mailbox that is not there, or not
in the app's scope, fails the call for all of them. Which user to take is not documented
(https://github.com/microsoftgraph/microsoft-graph-docs/issues/13075). Graph serves four calls at a time for
one app and mailbox (https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits).
"""

import os
import time
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Condition

from django.conf import settings

from calendar_backends.base import CalendarError, Deadline, Throttles, share
from calendar_backends.core.appointments import each_once
from calendar_backends.core.errors import ACCESS_DENIED, SERVER_BUSY, TIMEOUT_EXPIRED
from calendar_backends.core.inquiry import BUSY_SECONDS
from calendar_backends.core.memory import Recent

AT_ONCE = 4
#: Seconds for which a mailbox that failed as an anchor is tried last.
BAD_FOR = 600.0
#: Seconds for which one through which no answer came is taken after all others, and after how many it is
#: while a call through it is still under way.
QUIET_FOR, LONGEST_SILENCE = 60.0, 1.0
#: Seconds for which those are under suspicion who were asked about in a call that hung or was throttled, and
#: for which those are convicted whose call did through two mailboxes, though it was about nobody else.
SUSPECT_FOR, CONVICT_FOR = 600.0, 60.0
#: How many mailboxes of other calls are remembered as good, and how many as bad or quiet.
MOST_GOOD, MOST_BAD = 8, 1000
#: It is the app that is refused, and not a mailbox that is outside its scope: after so many anchors in one
#: call, or calls without an answer, if none ever worked.
MOST_REFUSALS = 3


class Anchors:
    """Remembers which mailboxes work and how many calls each is carrying. Safe to use from all threads."""

    def __init__(self, configured: str, throttles: Throttles) -> None:
        self._configured = configured
        self._throttles = throttles
        #: When each worked last; until when each is bad, or quiet; when each call through it began.
        self._good: OrderedDict[str, float] = OrderedDict()
        self._bad: OrderedDict[str, float] = OrderedDict()
        self._quiet: OrderedDict[str, float] = OrderedDict()
        self._carrying: defaultdict[str, list[float]] = defaultdict(list)
        self._suspects = Recent(SUSPECT_FOR)
        self._convicts = Recent(CONVICT_FOR)
        #: Whether a mailbox worked that was not refused since, and how many calls were refused meanwhile.
        self._worked = False
        self._refused_calls = 0
        self._freed = Condition()

    @contextmanager
    def hold(
        self,
        chunk: Sequence[str],
        tried: Collection[str],
        deadline: Deadline,
        refusal: CalendarError | None = None,
    ) -> Iterator[str | None]:
        """A mailbox to go through, with room for one more call; None when all were ``tried`` (lower case).

        Raises CalendarError: ErrorTimeoutExpired where none gets free in time; ``refusal``, or
        ErrorServerBusy, where those that may work are throttled.
        """
        anchor = self._take(chunk, tried, deadline, refusal)
        if anchor is None:
            yield None
            return
        began = time.monotonic()
        try:
            yield anchor
        except CalendarError:
            self._silent(anchor, chunk, began)
            raise
        finally:
            self._give_back(anchor)

    def worked(self, anchor: str, chunk: Collection[str] = ()) -> None:
        """An answer about ``chunk`` came through it."""
        for mailbox in chunk:
            self._suspects.forget(mailbox.lower())
            self._convicts.forget(mailbox.lower())
        with self._freed:
            self._worked, self._refused_calls = True, 0
            self._bad.pop(anchor.lower(), None)
            self._quiet.pop(anchor.lower(), None)
            _remember(self._good, anchor, time.monotonic(), MOST_GOOD)

    def failed(self, anchor: str, error: CalendarError) -> None:
        with self._freed:
            was_good = self._good.pop(anchor.lower(), None) is not None
            self._worked = self._worked and not (was_good and error.code == ACCESS_DENIED)
            _remember(self._bad, anchor, time.monotonic() + BAD_FOR, MOST_BAD)

    def throttled(self, anchor: str, error: CalendarError) -> None:
        """Exchange wants this mailbox left alone for a while."""
        pause = BUSY_SECONDS if error.retry_after is None else error.retry_after
        self._throttles.hold(anchor.lower(), pause)

    def suspect(self, chunk: Collection[str]) -> None:
        """One of these may be why every call that names it hangs or is throttled, whatever its anchor.

        From now on they are asked about through themselves: else they would use up the anchors of others.
        """
        for mailbox in chunk:
            self._suspects.note(mailbox.lower())

    def convict(self, mailbox: str) -> None:
        """It hung or was throttled through its own mailbox and another: no further one is used up for it."""
        self._convicts.note(mailbox.lower())

    def any_suspect(self, chunk: Collection[str]) -> bool:
        return any(mailbox.lower() in self._suspects for mailbox in chunk)

    def app_is_refused(self, failed: Mapping[str, CalendarError]) -> bool:
        """Whether it is not the mailboxes: so many anchors of this call refused, and none ever worked."""
        refused = sum(error.code == ACCESS_DENIED for error in failed.values())
        untried = self._configured and self._configured.lower() not in failed
        return refused >= MOST_REFUSALS and not untried and not self._works

    def app_is_refused_again(self, failed: Mapping[str, CalendarError]) -> bool:
        """The same of a call that had fewer anchors, every one of which ``failed``."""
        if self._works or any(error.code != ACCESS_DENIED for error in failed.values()):
            return False
        with self._freed:
            self._refused_calls += 1
            return self._refused_calls >= MOST_REFUSALS

    @property
    def _works(self) -> bool:
        return self._worked or bool(self._good)

    def _silent(self, anchor: str, chunk: Sequence[str], began: float) -> None:
        """No answer came. It may be this mailbox that hangs, unless it has answered others meanwhile."""
        with self._freed:
            if len(chunk) == 1 and anchor.lower() != chunk[0].lower() and self._is_quiet(chunk[0]):
                self.convict(chunk[0])
            if self._good.get(anchor.lower(), 0.0) < began:
                _remember(self._quiet, anchor, time.monotonic() + QUIET_FOR, MOST_BAD)

    def _take(
        self,
        chunk: Sequence[str],
        tried: Collection[str],
        deadline: Deadline,
        refusal: CalendarError | None,
    ) -> str | None:
        with self._freed:
            while candidates := self._unthrottled(self._candidates(chunk, tried), refusal):
                for anchor in candidates:
                    if len(self._carrying[anchor.lower()]) < share(AT_ONCE):
                        self._carrying[anchor.lower()].append(time.monotonic())
                        return anchor
                if not self._freed.wait(deadline.left()):
                    raise CalendarError(TIMEOUT_EXPIRED, "waiting for an anchor mailbox")
            return None

    def _unthrottled(self, candidates: Sequence[str], refusal: CalendarError | None) -> list[str]:
        """Those that may be used now. Raises CalendarError where the others are all bad."""
        pauses = [self._pause(anchor) for anchor in candidates]
        free = [anchor for anchor, pause in zip(candidates, pauses, strict=True) if not pause]
        if any(pauses) and all(map(self._is_bad, free)):
            detail = "every anchor mailbox that may work is throttled"
            pause = min(filter(None, pauses))
            raise refusal or CalendarError(SERVER_BUSY, detail, retry_after=pause, asked=False)
        return free

    def _give_back(self, anchor: str) -> None:
        with self._freed:
            self._carrying[anchor.lower()].pop(0)
            if not self._carrying[anchor.lower()]:
                del self._carrying[anchor.lower()]
            self._freed.notify_all()

    def _candidates(self, chunk: Sequence[str], tried: Collection[str]) -> list[str]:
        """The configured one alone while it works, else the known good ones, the chunk, and bad ones last."""
        configured = self._configured
        if self.any_suspect(chunk):
            candidates = self._for_suspects(chunk)
        elif configured and not self._doubts(configured) and not self._pause(configured):
            candidates = [configured]
        else:
            candidates = self._in_order(*self._known_good(chunk), *_turned(chunk), configured)
        return [anchor for anchor in candidates if anchor.lower() not in tried]

    def _for_suspects(self, chunk: Sequence[str]) -> list[str]:
        """First themselves, the suspects first of all; for a convict nobody else, if it may work."""
        own = sorted(chunk, key=lambda mailbox: mailbox.lower() not in self._suspects)
        if len(own) == 1 and own[0].lower() in self._convicts and not self._is_bad(own[0]):
            return own
        return self._in_order(*own, *self._known_good(chunk), self._configured)

    def _in_order(self, *anchors: str) -> list[str]:
        return sorted(each_once(filter(None, anchors)), key=self._doubts)

    def _known_good(self, chunk: Sequence[str]) -> list[str]:
        """Those with the fewest calls first, and among them those that are in the chunk."""
        spelled = {mailbox.lower(): mailbox for mailbox in chunk}
        good = sorted(self._good, key=lambda anchor: (self._calls(anchor), anchor not in spelled))
        return [spelled.get(anchor, anchor) for anchor in good]

    def _calls(self, anchor: str) -> int:
        return len(self._carrying.get(anchor, ()))

    def _doubts(self, anchor: str) -> int:
        """How late it is tried: 0 for one that nothing is known against."""
        return 2 if self._is_bad(anchor) else int(self._is_quiet(anchor))

    def _is_bad(self, anchor: str) -> bool:
        return self._bad.get(anchor.lower(), 0.0) > time.monotonic()

    def _is_quiet(self, anchor: str) -> bool:
        """Whether a call through it came to nothing lately, or has been waiting while none was answered."""
        now, worked = time.monotonic(), self._good.get(anchor.lower(), 0.0)
        begun = self._carrying.get(anchor.lower(), ())
        waits = any(worked < moment < now - LONGEST_SILENCE for moment in begun)
        return waits or self._quiet.get(anchor.lower(), 0.0) > now

    def _pause(self, anchor: str) -> float:
        """Seconds for which Exchange wants it left alone."""
        return self._throttles.left(anchor.lower())


def _remember(book: OrderedDict[str, float], anchor: str, moment: float, most: int) -> None:
    book[anchor.lower()] = moment
    book.move_to_end(anchor.lower())
    if len(book) > most:
        book.popitem(last=False)


def _turned(chunk: Sequence[str]) -> list[str]:
    """The chunk, beginning elsewhere in each process where there are more of them than may use one anchor."""
    first = os.getpid() % len(chunk) if chunk and settings.PROCESSES > AT_ONCE else 0
    return [*chunk[first:], *chunk[:first]]
