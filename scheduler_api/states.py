"""The state of an Appointment in words, as operators read them. docs/down-sync.md draws the states."""

from datetime import datetime

from scheduler_api.models import Appointment

DUE = "due"
IN_WORK = "in work"
WAITING = "waiting"
PARKED = "parked"
DOUBTFUL = "looked at again"
SETTLED = "settled"
FORGOTTEN = "forgotten"
#: The most urgent first.
STATES = (DUE, IN_WORK, WAITING, PARKED, DOUBTFUL, SETTLED, FORGOTTEN)


def state_of(row: Appointment, *, forgotten: bool, now: datetime) -> str:
    """One of STATES. ``forgotten``: its Event is. ``now``: the database's time."""
    if row.due_at is None and forgotten and row.wanted:
        return FORGOTTEN
    if row.due_at is None:
        return PARKED if row.behind else SETTLED
    if row.due_at <= now:
        return DUE
    if row.lease is not None:
        return IN_WORK
    return WAITING if row.behind else DOUBTFUL


def described(state: str, due_at: datetime | None) -> str:
    """The state, and the time that belongs to it: "waiting until 2026-11-22 17:05:30"."""
    joined = {DUE: "since", IN_WORK: "until", WAITING: "until", DOUBTFUL: "at"}.get(state)
    return f"{state} {joined} {due_at:%Y-%m-%d %H:%M:%S}" if joined else state
