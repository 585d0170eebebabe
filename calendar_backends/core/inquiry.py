"""Asking about many mailboxes over any window, in time: split, isolate, ask again, lose nobody.

Exchange takes so many mailboxes and so many days at a time, and one sick mailbox can make a whole request
fail or hang. An Inquiry cuts the question into parts, asks them side by side, and cuts a part again when it
fails as a whole, does not come back in good time, or has too many entries. What is still unknown at the
deadline is an error; nothing is ever left out.
"""

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import (
    CONFIGURATION,
    FREE_BUSY_GENERATION_FAILED,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
    TOO_MUCH_AT_ONCE,
    CalendarError,
)
from calendar_backends.core.fanout import THREADS
from calendar_backends.core.intervals import BusyTime, Interval, split

Busy = list[BusyTime] | CalendarError
#: One request: every mailbox over the window, until the deadline. May raise CalendarError.
Ask = Callable[[Sequence[str], Interval, Deadline], Mapping[str, Busy]]

#: A part that failed or hangs is cut into so many; one that is throttled into more, because each further cut
#: costs a pause.
CUT, CUT_THROTTLED = 8, 20
#: Shares of the time there is at the start: how long a part is waited for before it is asked again in
#: smaller ones, how long the first is still awaited meanwhile, and how long a smaller one is waited for, at
#: least and at most.
PATIENCE, LAST_WAIT, SHORTEST_TURN, LONGEST_TURN = 0.2, 0.5, 0.0625, 0.125
#: More requests than planned: enough to isolate a few mailboxes, not enough to storm a server that is down.
SPARE_REQUESTS = 120
#: A window with too many entries is halved down to this.
SHORTEST_WINDOW = timedelta(hours=1)
#: Seconds to wait where Exchange is busy and does not say for how long.
BUSY_SECONDS = 1.0
#: How often the same is asked at most, and for a single mailbox, of which no smaller part can be asked (the
#: tries of the part that it was cut from count). Where Exchange says when to come back, the deadline counts.
MOST_TRIES, MOST_TRIES_ALONE = 2, 3
#: How often a free connection is looked for while others have them all, in seconds.
_LOOK = 0.02


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and what all requests of this process may have in flight: ``slots``,
    ``waiting`` of which may be held by requests about mailboxes that are known to be slow, and by those that
    wait for as long as there is."""

    mailboxes: int
    window: timedelta
    slots: threading.BoundedSemaphore
    waiting: threading.BoundedSemaphore


@dataclass(eq=False)
class _Part:
    """One request. ``patience``: seconds after its start when it is asked again in smaller parts.
    ``longest``: seconds for which it is awaited."""

    mailboxes: tuple[str, ...]
    window: Interval
    patience: float
    longest: float
    #: Waits no longer than its turn.
    small: bool = False
    #: Did not answer in an earlier call.
    slow: bool = False
    #: Asked alone before and did not answer: waits for as long as there is, once everything else is done.
    patient: bool = False
    tries: int = 1
    not_before: float = 0.0
    asked_again: bool = False
    started: float = field(default=0.0, init=False)

    @property
    def again_at(self) -> float:
        return self.started + self.patience if not self.asked_again else float("inf")


class Inquiry:
    """One question, asked once. Afterwards ``slow`` has the mailboxes that did not answer when asked alone,
    or were throttled while others were answered, and ``broken`` the error that says that nothing at all can
    be asked with these credentials."""

    def __init__(self, ask: Ask, limits: Limits, deadline: Deadline, *, apart: Collection[str] = ()) -> None:
        self._ask = ask
        self._limits = limits
        self._deadline = deadline
        self._apart = frozenset(apart)
        self._time = deadline.left()
        self._spare = SPARE_REQUESTS
        self._todo: deque[_Part] = deque()
        self._patient: list[_Part] = []
        self._suspects: list[tuple[_Part, CalendarError]] = []
        self._answered = False
        self._doubted = False
        self._probed = float("inf")
        self._asking: dict[Future[Mapping[str, Busy]], _Part] = {}
        self._missing: dict[str, set[Interval]] = {}
        self._entries: dict[str, list[BusyTime]] = {}
        self._errors: dict[str, CalendarError] = {}
        self._throttled: set[str] = set()
        self.slow: set[str] = set()
        self.broken: CalendarError | None = None

    def run(self, mailboxes: Sequence[str], window: Interval) -> dict[str, Busy]:
        """When each mailbox is busy, or why that is not known."""
        pieces = split(window, self._limits.window)
        self._spare += 2 * len(mailboxes)
        self._missing = {mailbox: set(pieces) for mailbox in mailboxes}
        self._entries = {mailbox: [] for mailbox in mailboxes}
        self._todo.extend(part for piece in pieces for part in self._planned(mailboxes, piece))
        if len(self._todo) == 1 and len(mailboxes) > 1:
            # It takes no connection from other parts, so an Exchange that is slow for everybody may take its
            # time. (One mailbox cannot be asked in smaller parts, and is asked anew instead.)
            self._todo[0].longest = self._time
        while self._missing and not self._deadline.over and self._goes_on():
            self._start()
            self._collect()
            self._ask_again()
        self._note_throttled()
        return {mailbox: self._answer(mailbox) for mailbox in mailboxes}

    def _note_throttled(self) -> None:
        """Where others were answered, it is not the account that is throttled but who was asked alone."""
        busy = {mailbox.lower() for mailbox, error in self._errors.items() if error.code == SERVER_BUSY}
        self.slow |= busy & (self._apart | self._throttled if self._answered else self._apart)

    def _goes_on(self) -> bool:
        """Whether anything is under way, or there is something left to try."""
        while self._suspects and (self._answered or self._is_idle()):
            self._isolate()
        if self._is_idle():
            self._todo.extend(self._patient)
            self._patient.clear()
        return bool(self._asking or (self._todo and not self.broken))

    def _is_idle(self) -> bool:
        """Whether nothing is left but to wait: for those who did not answer when asked alone, and for what
        has been asked again in smaller parts."""
        return not self._todo and all(part.patient or part.asked_again for part in self._asking.values())

    def _answer(self, mailbox: str) -> Busy:
        if mailbox not in self._missing:
            return self._errors.get(mailbox) or self._entries[mailbox]
        unknown = self.broken or CalendarError(TIMEOUT_EXPIRED, "no answer before the deadline")
        return self._errors.get(mailbox) or unknown

    def _planned(self, mailboxes: Sequence[str], piece: Interval) -> Iterator[_Part]:
        """As few requests as Exchange allows; who was slow before is asked alone, and last."""
        together = [mailbox for mailbox in mailboxes if mailbox.lower() not in self._apart]
        for start in range(0, len(together), self._limits.mailboxes):
            chunk = tuple(together[start : start + self._limits.mailboxes])
            yield _Part(chunk, piece, PATIENCE * self._time, LAST_WAIT * self._time)
        for mailbox in mailboxes:
            if mailbox.lower() in self._apart:
                yield self._small((mailbox,), piece, slow=True)

    def _small(self, mailboxes: tuple[str, ...], window: Interval, *, slow: bool = False) -> _Part:
        turn = LONGEST_TURN * self._time
        return _Part(mailboxes, window, turn, turn, small=True, slow=slow)

    def _start(self) -> None:
        """Send what may be sent now and finds a free connection."""
        now = time.monotonic()
        for _ in range(len(self._todo)):
            part = self._todo.popleft()
            if not self._unanswered(part):
                continue
            held = () if part.not_before > now or self._holds_back() else self._hold(part)
            if not held:
                self._todo.append(part)
                continue
            part.started = now
            if part.small:
                part.patience = part.longest = self._turn()
            # In a copy of the context: the calls know their request's correlation id.
            future = THREADS.submit(contextvars.copy_context().run, self._call, part)
            future.add_done_callback(partial(_release, held))
            self._asking[future] = part

    def _hold(self, part: _Part) -> Sequence[threading.BoundedSemaphore]:
        """A connection for this part; nothing if it has to wait for one.

        Some connections are kept out of long waits. Else a few calls at once about the same mailbox that
        hangs would hold them all until the deadline, and nobody else would be asked about meanwhile.
        """
        slots, waiting = self._limits.slots, self._limits.waiting
        if not slots.acquire(blocking=False):
            return ()
        if not (part.slow or part.longest > LAST_WAIT * self._time):
            return (slots,)
        if waiting.acquire(blocking=False):
            return (slots, waiting)
        if len(part.mailboxes) > 1:
            part.longest = LAST_WAIT * self._time
            return (slots,)
        slots.release()
        return ()

    def _turn(self) -> float:
        """Seconds for which a smaller part is waited for: even if all of them hang, all get their turn."""
        side_by_side = len(self._asking) + 1
        fair = self._deadline.left() * side_by_side / (side_by_side + len(self._todo))
        return min(LONGEST_TURN * self._time, max(SHORTEST_TURN * self._time, fair))

    def _holds_back(self) -> bool:
        """One at a time while nobody has been let in: too many wrong passwords lock an account."""
        return self._doubted and not self._answered and bool(self._asking)

    def _call(self, part: _Part) -> Mapping[str, Busy]:
        return self._ask(part.mailboxes, part.window, self._deadline.within(part.longest))

    def _collect(self) -> None:
        """Wait until something happens, and take what has come back."""
        if not self._asking:
            time.sleep(min(self._pause(), self._deadline.left()))
            return
        done, _ = wait(self._asking, timeout=self._pause(), return_when=FIRST_COMPLETED)
        for future in done:
            part = self._asking.pop(future)
            try:
                answer = future.result()
            except CalendarError as error:
                self._failed(part, error)
            else:
                self._take(part, answer)

    def _pause(self) -> float:
        """Seconds until there is something to do by ourselves."""
        now = time.monotonic()
        moments = [part.again_at for part in self._asking.values()]
        moments += [max(part.not_before, now + _LOOK) for part in self._todo]
        return max(0.0, min([self._deadline.at, *moments]) - now)

    def _ask_again(self) -> None:
        """Ask in smaller parts for whom a part has kept us waiting; the first is still awaited."""
        now = time.monotonic()
        for part in list(self._asking.values()):
            if part.again_at <= now:
                part.asked_again = True
                if len(part.mailboxes) > 1:
                    self._cut(part)

    def _take(self, part: _Part, answer: Mapping[str, Busy]) -> None:
        self._answered, self.broken = True, None
        left_out = CalendarError(FREE_BUSY_GENERATION_FAILED, "left out of the answer")
        errors: dict[str, CalendarError] = {}
        for mailbox in self._unanswered(part):  # for the others another part was faster
            busy = answer.get(mailbox, left_out)
            if isinstance(busy, CalendarError):
                errors[mailbox] = busy
            else:
                self._entries[mailbox] += busy
                self._settle(mailbox, part.window)
        crowded = [mailbox for mailbox, error in errors.items() if error.code in TOO_MUCH_AT_ONCE]
        halved = crowded if self._halve(crowded, part) else []
        for mailbox in errors.keys() - set(halved):
            self._give_up(mailbox, errors[mailbox])

    def _settle(self, mailbox: str, window: Interval) -> None:
        self._missing[mailbox].remove(window)
        if not self._missing[mailbox]:
            del self._missing[mailbox]
            self._errors.pop(mailbox, None)

    def _give_up(self, mailbox: str, error: CalendarError) -> None:
        self._missing.pop(mailbox, None)
        self._errors[mailbox] = error

    def _failed(self, part: _Part, error: CalendarError) -> None:
        """The request as a whole came to nothing."""
        if not self._unanswered(part):
            return
        several = len(part.mailboxes) > 1
        if error.code == SERVER_BUSY and error.asked and not several:
            self._throttled.add(part.mailboxes[0].lower())
        part.not_before = time.monotonic() + _pause_after(error)
        if error.code == TIMEOUT_EXPIRED:
            self._timed_out(part, error)
        elif part.not_before >= self._deadline.at or (several and part.asked_again):
            self._give_up_all(part, error)
        elif self._shorten(part, error) or self._repeat(part, error):
            return
        elif several and error.isolable:
            self._suspects.append((part, error))
        else:
            self._give_up_all(part, error)

    def _isolate(self) -> None:
        """Cut the parts that failed as a whole, so that one mailbox's fault becomes its own.

        Where nothing has been answered at all, only the smallest is cut, down to single mailboxes: a server
        that fails for everybody is not asked for everybody one by one.
        """
        suspects = sorted(self._suspects, key=lambda suspect: len(suspect[0].mailboxes))
        self._suspects = []
        smallest = len(suspects[0][0].mailboxes)
        hopeless = not self._answered and smallest >= self._probed
        if not self._answered and not hopeless:
            self._probed = smallest
            suspects, self._suspects = suspects[:1], suspects[1:]
        for part, error in suspects:
            pieces = CUT_THROTTLED if error.code == SERVER_BUSY else CUT
            if hopeless or not self._cut(part, pieces):
                self._give_up_all(part, error)

    def _timed_out(self, part: _Part, error: CalendarError) -> None:
        """Smaller parts are on their way already; someone who was asked alone may be slow, and waits on."""
        if len(part.mailboxes) == 1:
            self.slow.add(part.mailboxes[0].lower())
            self._errors[part.mailboxes[0]] = error
            if not part.patient:
                again = _Part(part.mailboxes, part.window, self._time, self._time, slow=True, patient=True)
                self._patient.append(again)
        elif not part.asked_again and not self._cut(part):
            self._give_up_all(part, error)

    def _shorten(self, part: _Part, error: CalendarError) -> bool:
        return error.code in TOO_MUCH_AT_ONCE and self._halve(self._unanswered(part), part)

    def _repeat(self, part: _Part, error: CalendarError) -> bool:
        """Ask the same once more, where that can help."""
        refused = error.code in CONFIGURATION
        self._doubted = self._doubted or refused
        # Exchange also says 401 when it is busy, and closes connections that were idle.
        may_help = refused or error.passing or error.code == SERVER_BUSY
        if error.asked:
            if not may_help or part.tries >= self._most_tries(part, error) or not self._spend():
                return False
            part.tries += 1
        if error.code == SERVER_BUSY:
            self._todo.append(part)  # those who were not throttled yet come first
        else:
            self._todo.appendleft(part)
        for mailbox in self._unanswered(part):
            self._errors[mailbox] = error
        return True

    def _most_tries(self, part: _Part, error: CalendarError) -> float:
        if len(part.mailboxes) > 1:
            # Where there is no time for another pause, it has to be cut now.
            return MOST_TRIES if part.not_before + _pause_after(error) < self._deadline.at else 1
        if error.code in CONFIGURATION:
            return MOST_TRIES
        return MOST_TRIES_ALONE if error.retry_after is None else float("inf")

    def _give_up_all(self, part: _Part, error: CalendarError) -> None:
        if error.code in CONFIGURATION and not self._answered:
            self.broken = error
        for mailbox in self._unanswered(part):
            self._errors[mailbox] = error
            if not self._asked_elsewhere(part, mailbox):
                self._give_up(mailbox, error)

    def _asked_elsewhere(self, part: _Part, mailbox: str) -> bool:
        suspects = (suspect for suspect, _ in self._suspects)
        others = (*self._asking.values(), *self._todo, *self._patient, *suspects)
        return any(
            other is not part and other.window == part.window and mailbox in other.mailboxes
            for other in others
        )

    def _cut(self, part: _Part, pieces: int = CUT) -> bool:
        """Ask for the unanswered of a part in smaller ones. False where that cannot be done."""
        left = self._unanswered(part)
        size = -(-len(left) // pieces) if len(part.mailboxes) > pieces else 1
        parts = [tuple(left[start : start + size]) for start in range(0, len(left), size)]
        if len(part.mailboxes) == 1 or not self._spend(len(parts)):
            return False
        for mailboxes in parts:
            small = self._small(mailboxes, part.window)
            small.not_before, small.tries = part.not_before, part.tries
            self._todo.append(small)
        return True

    def _halve(self, mailboxes: Sequence[str], part: _Part) -> bool:
        """Ask for half the window at a time. False where it is short enough."""
        length = part.window.end - part.window.start
        if not mailboxes or length <= SHORTEST_WINDOW or not self._spend(2):
            return False
        halves = split(part.window, length / 2)
        for mailbox in mailboxes:
            self._missing[mailbox] = (self._missing[mailbox] - {part.window}) | set(halves)
        for half in halves:
            self._todo.append(_Part(tuple(mailboxes), half, part.patience, part.longest, part.small))
        return True

    def _unanswered(self, part: _Part) -> list[str]:
        return [mailbox for mailbox in part.mailboxes if part.window in self._missing.get(mailbox, ())]

    def _spend(self, requests: int = 1) -> bool:
        if self._spare < requests:
            return False
        self._spare -= requests
        return True


def _release(held: Sequence[threading.BoundedSemaphore], done: Future[Mapping[str, Busy]]) -> None:
    for semaphore in held:
        semaphore.release()


def _pause_after(error: CalendarError) -> float:
    """Seconds for which what failed so must not be asked again."""
    return (error.retry_after or BUSY_SECONDS) if error.code == SERVER_BUSY else 0.0
