"""From what a mailbox is known to hold to what it should hold, one call at a time.

Pure: `first_change` says what to do, `next_changes` what the answer of Exchange leads to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from calendar_backends.core.appointments import Change, Content, Verb
from calendar_backends.core.errors import ITEM_NOT_FOUND, NO_ERROR, CalendarError

#: What Exchange answered to one Change: the items the mailbox now holds for it, or why not.
Outcome = Sequence[str] | CalendarError


@dataclass(frozen=True)
class Goal:
    """What one mailbox should hold for one Event; ``content`` None means nothing."""

    mailbox: str
    stamp: str
    version: int
    content: Content | None

    def change(self, verb: Verb, ref: str | None = None) -> Change:
        content = self.content if verb in (Verb.CREATE, Verb.UPDATE) else None
        return Change(verb, self.mailbox, self.stamp, self.version, ref, content)


@dataclass(frozen=True)
class Settled:
    """The end of the road for this run. ``code`` is NoError, or what stopped it."""

    ref: str | None
    code: str = NO_ERROR
    #: Whether anything was there to be removed (a goal without content only).
    existed: bool = True


def first_change(goal: Goal, ref: str | None, *, attempted: bool) -> Change:
    """``attempted``: an earlier run may have written here without noting what it made."""
    if ref is not None:
        return goal.change(Verb.UPDATE if goal.content else Verb.DELETE, ref)
    if attempted or goal.content is None:
        return goal.change(Verb.FIND)
    return goal.change(Verb.CREATE)


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
