"""Who works on an Appointment: one process at a time, for as long as its lease runs.

A lease is a token on the row and, in ``due_at``, the time it runs out. A worker that dies leaves both behind,
so the row is due again by itself, and what the dead one had sent is in doubt. All times are the database's.
"""

import random
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Func, JSONField, Q, TextField, Value
from django.db.models.functions import Cast, Concat, Now

from calendar_backends.base import Deadline
from calendar_backends.core.convergence import Run
from calendar_backends.core.errors import ITEM_NOT_FOUND, NO_ERROR, passes_by_itself
from orgs.models import Org
from scheduler_api.models import Appointment, AppointmentQuerySet, Event

#: Seconds that a lease outlasts its worker's deadline: time to write down what came of it.
MARGIN = 10
#: Seconds to the first repetition of what failed, doubled each time up to a day, give or take a quarter.
FIRST_PAUSE, LONGEST_PAUSE, JITTER = 5.0, 86_400.0, 0.25
#: A mailbox that refuses is parked after so many tries, about two days after the first.
MOST_ATTEMPTS = 16
RECORDED = (
    "applied_version",
    "attempts",
    "backend",
    "differing",
    "doubtful_until",
    "due_at",
    "error_code",
    "item_ref",
)


@dataclass(frozen=True, eq=False)
class Task:
    """An Appointment that this process has leased, the Event as it was then, and when that was, by
    the database's clock and by ours."""

    row: Appointment
    event: Event
    taken: datetime
    since: float = field(default_factory=time.monotonic)


def database_now() -> datetime:
    """The time by the clock that all processes share."""
    now: datetime = Org.objects.order_by().values_list(Now(), flat=True)[0]
    return now


def lease_seconds(deadline: Deadline) -> timedelta:
    """For how long to lease what is worked on until ``deadline``."""
    return timedelta(seconds=deadline.left() + MARGIN)


def lease(rows: Iterable[Appointment], until: datetime, now: datetime) -> None:
    """Mark rows, locked by the caller, as worked on; the caller saves them."""
    token = uuid.uuid4()
    for row in rows:
        if row.lease is not None:  # its worker died: what it sent may still be carried out
            row.doubtful_until = now + timedelta(seconds=settings.SETTLING_TIME)
        row.lease, row.due_at = token, until


def is_free(row: Appointment, now: datetime) -> bool:
    """Whether nobody works on it."""
    return row.lease is None or row.due_at is None or row.due_at <= now


def take(rows: AppointmentQuerySet, deadline: Deadline, *, most: int | None = None) -> list[Task]:
    """Lease those of ``rows`` that nobody works on, the longest due first, ``most`` at the most.

    What another process is taking at this very moment is passed over.
    """
    free = rows.filter(Q(lease__isnull=True) | Q(due_at__lte=Now()))
    skip = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        locked = free.select_for_update(of=("self",), skip_locked=skip).select_related("event")
        found: list[Any] = list(locked.order_by("due_at", "pk").annotate(now=Now())[:most])
        if not found:
            return []
        now: datetime = found[0].now
        lease(found, now + lease_seconds(deadline), now)
        update_alike(found, ["lease", "due_at"])
    return [Task(row, row.event, now) for row in found]


def release(done: Sequence[tuple[Task, Run]]) -> bool:
    """Write down what came of the tasks, and let go of them. Whether something else was declared meanwhile.

    Where it was, the row is due at once. Where the lease has run out and another process has the row, its
    word counts and ours is dropped.
    """
    for task, run in done:
        _note(task, run, task.taken + timedelta(seconds=time.monotonic() - task.since))
    newer = 0
    for group in _alike([task.row for task, _ in done], RECORDED):
        ours = Appointment.objects.filter(pk__in=[row.pk for row in group], lease=group[0].lease)
        values = {**_values(group, RECORDED), "lease": None, "modified": Now()}
        saved = ours.filter(version=group[0].version).update(**values)
        if saved < len(group):
            del values["differing"]
            newer += ours.update(**{**values, "due_at": Now()})
    return newer > 0


def _note(task: Task, run: Run, now: datetime) -> None:
    row, done = task.row, run.code == NO_ERROR
    # That of the content: the row was locked after it was read, and may be of a later declaration.
    row.version = task.event.version
    if run.settled:
        row.item_ref, row.backend = run.ref, task.event.org.backend if run.ref else ""
    never_had = row.error_code == ITEM_NOT_FOUND and not run.existed
    row.error_code = ITEM_NOT_FOUND if never_had and done else run.code
    _note_doubt(task, run, now)
    if done:
        row.applied_version, row.attempts = task.event.version, 0
        row.differing = []
        row.due_at = row.doubtful_until
    else:
        row.attempts += run.error is None or run.error.asked
        row.due_at = _next_try(row, run, now)


def _note_doubt(task: Task, run: Run, now: datetime) -> None:
    """Only a look at the mailbox that began when the doubt was over, and succeeded, ends it."""
    row = task.row
    if run.doubtful:
        row.doubtful_until = now + timedelta(seconds=settings.SETTLING_TIME)
    elif row.doubtful_until and row.doubtful_until <= task.taken and run.code == NO_ERROR:
        row.doubtful_until = None


def _next_try(row: Appointment, run: Run, now: datetime) -> datetime | None:
    """When to try again what failed; None where it is parked."""
    if row.attempts >= MOST_ATTEMPTS and not passes_by_itself(row.error_code):
        return None
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(max(0, row.attempts - 1), 30))
    pause *= random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  no secret
    asked_for = run.error.retry_after if run.error else None
    return now + timedelta(seconds=max(pause, asked_for or 0.0))


def update_alike(rows: Sequence[Appointment], fields: Sequence[str]) -> None:
    """Save these fields, with one statement for all rows that get the same."""
    for group in _alike(rows, fields):
        saved = Appointment.objects.filter(pk__in=[row.pk for row in group])
        saved.update(**_values(group, fields), modified=Now())


def _alike(rows: Sequence[Appointment], fields: Sequence[str]) -> Iterable[list[Appointment]]:
    """The rows by what these fields of theirs hold (item references aside), their lease and their version."""
    groups: defaultdict[str, list[Appointment]] = defaultdict(list)
    for row in rows:
        held = [getattr(row, name) for name in fields if name != "item_ref"]
        groups[repr([row.lease, row.version, *held])].append(row)
    return groups.values()


def _values(group: Sequence[Appointment], fields: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(group[0], name) for name in fields}
    if "item_ref" in values:
        values["item_ref"] = _references(group)
    return values


class _OfRow(Func):
    """What a JSON object has under the key of the row; a CASE with a WHEN per row takes ten times as long."""

    template = "(%(expressions)s)"
    arg_joiner = " ->> "
    output_field = TextField()


def _references(rows: Sequence[Appointment]) -> Any:
    named = {f"row {row.pk}": row.item_ref for row in rows if row.item_ref is not None}
    key = Concat(Value("row "), Cast("pk", TextField()))
    return _OfRow(Value(named, JSONField()), key) if named else None
