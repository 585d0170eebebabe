"""From what a mailbox is known to hold to what it should hold, one call at a time.

`first_change` says what to do, `next_changes` what the answer of Exchange leads to: both are pure. A `Run` is
one mailbox on its way, and `carry_out` takes many of them there side by side, until the deadline.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from calendar_backends.core.appointments import FIELDS, Change, Content, Verb
from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import (
    ITEM_NOT_FOUND,
    NO_ERROR,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
    CalendarError,
)

#: What Exchange answered to one Change: the items the mailbox now holds for it, or why not.
Outcome = Sequence[str] | CalendarError
#: Carries changes out side by side, until the deadline. May raise CalendarError.
Write = Callable[[Sequence[Change], Deadline], Mapping[Change, Outcome]]

#: How often the same is tried within one run, where Exchange does not say when to come back.
MOST_TRIES = 3
#: Seconds to wait where it is busy and does not say for how long, and where it stumbled (doubled each time).
BUSY_SECONDS, STUMBLE_SECONDS = 1.0, 0.2
#: Calls of one round that one mailbox gets, whose budget they all use: Graph allows four at once
#: (https://learn.microsoft.com/graph/throttling-limits).
MOST_PER_MAILBOX = 4
#: One round of calls gets this share of what is left, so that who hangs leaves time to look what came of it,
#: and does not hold up the others' second steps. Seconds: no round is shorter.
ROUND_SHARE, SHORTEST_ROUND = 0.5, 1.0


@dataclass(frozen=True)
class Goal:
    """What one mailbox should hold for one Event; ``content`` None means nothing.

    ``fields``: what may differ from what the item says, if it is the one that was written last.
    """

    mailbox: str
    stamp: str
    version: int
    content: Content | None
    fields: frozenset[str] = FIELDS

    def change(self, verb: Verb, ref: str | None = None, fields: frozenset[str] = FIELDS) -> Change:
        content = self.content if verb in (Verb.CREATE, Verb.UPDATE) else None
        return Change(verb, self.mailbox, self.stamp, self.version, ref, content, fields)


@dataclass(frozen=True)
class Settled:
    """The end of the road for this run. ``code`` is NoError, or what stopped it."""

    ref: str | None
    code: str = NO_ERROR
    #: Whether anything was there to be removed (a goal without content only).
    existed: bool = True


def first_change(goal: Goal, ref: str | None, *, attempted: bool) -> Change:
    """``attempted``: an earlier run may have written here without noting what it made."""
    if attempted or (ref is None and goal.content is None):
        return goal.change(Verb.FIND)
    if ref is None:
        return goal.change(Verb.CREATE)
    return goal.change(Verb.UPDATE, ref, goal.fields) if goal.content else goal.change(Verb.DELETE, ref)


def next_changes(goal: Goal, change: Change, outcome: Outcome, *, looked: bool) -> list[Change] | Settled:
    """What follows from ``outcome``. ``looked``: the mailbox has been searched in this run already."""
    if isinstance(outcome, CalendarError):
        return _after_error(goal, change, outcome, looked=looked)
    if change.verb is Verb.FIND:
        return _after_find(goal, outcome)
    return Settled(outcome[0] if outcome else None)


def _after_error(goal: Goal, change: Change, error: CalendarError, *, looked: bool) -> list[Change] | Settled:
    gone = error.code == ITEM_NOT_FOUND and change.verb in (Verb.UPDATE, Verb.DELETE)
    unclear = error.uncertain and change.verb is Verb.CREATE
    if gone and change.verb is Verb.DELETE and looked:
        return Settled(None)
    if (gone or unclear) and not looked:
        return [goal.change(Verb.FIND)]
    return Settled(None if gone else change.ref, error.code)


def _after_find(goal: Goal, refs: Sequence[str]) -> list[Change] | Settled:
    refs = list(dict.fromkeys(refs))  # Exchange may list an item twice
    if goal.content is None:
        return [goal.change(Verb.DELETE, ref) for ref in refs] or Settled(None, existed=False)
    if not refs:
        return [goal.change(Verb.CREATE)]
    first, *copies = refs
    return [goal.change(Verb.UPDATE, first), *(goal.change(Verb.DELETE, ref) for ref in copies)]


class Run:
    """One mailbox on its way to its goal: what to do next, and what came of it so far.

    ``doubtful`` afterwards: a request was sent of which it is not known whether it is still going to be
    carried out. ``error`` is the last one.
    """

    def __init__(self, goal: Goal, ref: str | None, *, attempted: bool) -> None:
        self.goal = goal
        self.todo = [first_change(goal, ref, attempted=attempted)]
        self.not_before = 0.0
        self.settled: list[Settled] = []
        self.doubtful = False
        self.error: CalendarError | None = None
        self._looked = False
        self._lost_create = False
        self._copies = False
        self._tries = 0

    @property
    def ref(self) -> str | None:
        return next((end.ref for end in self.settled if end.ref), None)

    @property
    def existed(self) -> bool:
        return any(end.existed for end in self.settled)

    @property
    def code(self) -> str:
        """NoError once everything is done, else what stopped it."""
        if not self.settled or self.todo:
            return self.error.code if self.error else TIMEOUT_EXPIRED
        return next((end.code for end in self.settled if end.code != NO_ERROR), NO_ERROR)

    def take(self, outcomes: Mapping[Change, Outcome]) -> None:
        """What the calls of ``todo`` came to; afterwards ``todo`` has the next ones."""
        changes, self.todo = self.todo, []
        again = False
        for change in changes:
            outcome = outcomes[change]
            self._note(change, outcome)
            if isinstance(outcome, CalendarError) and self._may_repeat(change, outcome):
                self.todo.append(change)
                again = True
            else:
                self._follow(change, outcome)
        self._tries = self._tries + 1 if again else 0

    def _follow(self, change: Change, outcome: Outcome) -> None:
        following = next_changes(self.goal, change, outcome, looked=self._looked)
        if isinstance(following, Settled):
            self.settled.append(following)
        else:
            self._looked = True
            self.todo += following

    def _note(self, change: Change, outcome: Outcome) -> None:
        if isinstance(outcome, CalendarError):
            self.error = outcome
            self.not_before = max(self.not_before, time.monotonic() + _pause_after(outcome, self._tries))
            self.doubtful |= outcome.uncertain and change.verb in (Verb.UPDATE, Verb.DELETE)
            self._lost_create |= outcome.uncertain and change.verb is Verb.CREATE
        elif change.verb is Verb.FIND:
            # What was found is what the lost request made; where there is nothing, it may still come.
            self.doubtful |= self._lost_create and not outcome
            self._lost_create = False
            self._copies |= len(outcome) > 1

    def _may_repeat(self, change: Change, error: CalendarError) -> bool:
        """Whether the same may be sent once more in this run: never a Create that may have been done."""
        if change.verb is Verb.CREATE and error.uncertain:
            return False
        if not error.uncertain and error.code == TIMEOUT_EXPIRED:
            return True  # it did not get its turn
        if error.code == SERVER_BUSY and error.retry_after is not None:
            return True
        return (error.passing or error.code == SERVER_BUSY) and self._tries + 1 < MOST_TRIES

    def leave(self) -> None:
        """What the mailbox holds stays as it is."""
        self.settled, self.todo = [Settled(self.todo[0].ref)], []

    def refuse(self, error: CalendarError) -> None:
        """Nothing is tried."""
        self.todo, self.error = [], error

    def give_up(self, code: str) -> None:
        """Nothing more is done; what was done is not known."""
        self.todo, self.doubtful = [], True
        self.settled.append(Settled(self.ref, code))

    def finish(self) -> None:
        """The time is over. Copies that were found and are perhaps left have to be found again."""
        self.doubtful |= self._lost_create or (self._copies and self.code != NO_ERROR)


def carry_out(write: Write, runs: Sequence[Run], deadline: Deadline) -> None:
    """Take the runs to their goals, side by side, as far as they come until the deadline."""
    while (busy := [run for run in runs if run.todo]) and not deadline.over:
        pause = min(run.not_before for run in busy) - time.monotonic()
        if pause >= deadline.left():
            break
        time.sleep(max(0.0, pause))
        ready = _ready(busy)
        outcomes = write([change for run in ready for change in run.todo], _round(deadline))
        for run in ready:
            run.take(outcomes)
    for run in runs:
        run.finish()


def _ready(runs: Sequence[Run]) -> list[Run]:
    """Those whose pause is over; of one mailbox not more than it can take at once."""
    now = time.monotonic()
    ready: list[Run] = []
    calls: Counter[str] = Counter()
    for run in runs:
        mailbox = run.goal.mailbox.lower()
        if run.not_before <= now and calls[mailbox] < MOST_PER_MAILBOX:
            calls[mailbox] += len(run.todo)
            ready.append(run)
    return ready


def _round(deadline: Deadline) -> Deadline:
    return deadline.within(max(SHORTEST_ROUND, ROUND_SHARE * deadline.left()))


def _pause_after(error: CalendarError, tries: int) -> float:
    """Seconds for which a mailbox that answered so, after so many tries of the same, is left alone.

    Exchange may ask for a pause of 0 seconds, again and again.
    """
    least = STUMBLE_SECONDS * 2.0**tries
    if error.code == SERVER_BUSY:
        return max(least, BUSY_SECONDS if error.retry_after is None else error.retry_after)
    return least if error.passing or error.code == TIMEOUT_EXPIRED else 0.0
