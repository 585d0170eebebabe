"""What the calendars really hold, against what was declared: the command resync --verify."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

from django.db import transaction
from django.db.models.functions import Lower, Now

from calendar_backends.base import CalendarBackend, CalendarError, Deadline, Held, fan_out, share
from calendar_backends.core.appointments import by_stamp, disagrees, stamp_of
from calendar_backends.core.errors import MAIL_RECIPIENT_NOT_FOUND, public_code
from orgs.models import Org
from scheduler_api.downsync import content_of_row
from scheduler_api.leases import is_free, update_alike
from scheduler_api.models import Appointment, AppointmentQuerySet, Event
from scheduler_api.references import learn

#: Mailboxes that are read side by side, and the seconds for all of them.
MAILBOXES, SECONDS = 20, 60

Calendars = Mapping[str, list[Held] | CalendarError]


@dataclass(frozen=True)
class Difference:
    """Where a calendar does not agree with the ledger. ``row`` is None for what the ledger does not know."""

    event_id: str
    mailbox: str
    what: str
    row: Appointment | None = None
    held: tuple[Held, ...] = ()


def comparable(rows: AppointmentQuerySet) -> AppointmentQuerySet:
    """Those of which it is known what their mailbox should hold, and nobody is to work on."""
    return rows.filter(due_at__isnull=True).exclude(event__content__isnull=True, event__cancelled=False)


def differences(
    org: Org,
    rows: AppointmentQuerySet,
    *,
    progress: Callable[[int], object] = lambda _: None,
    learning: bool = False,
) -> Iterator[Difference]:
    """Compare ``rows``, all of the Org, with the calendars; nothing is changed.

    A calendar that cannot be read is a difference as well. Items with a stamp of the Org's that belong to
    none of the Events are told too, where they are in one of the mailboxes. ``learning``: note in the ledger
    what the driver calls the items that are found.
    """
    ordered = comparable(rows).select_related("event").order_by(Lower("mailbox"), "pk")
    mailboxes = groupby(ordered.iterator(chunk_size=2000), key=lambda row: row.mailbox.lower())
    while some := {key: list(of_mailbox) for key, of_mailbox in islice(mailboxes, MAILBOXES)}:
        for row in chain.from_iterable(some.values()):
            row.event.org = org
        calendars = next(calendars_of(org, [of_mailbox[0].mailbox for of_mailbox in some.values()]))
        for mailbox, held in calendars.items():
            of_mailbox = some[mailbox.lower()]
            if learning and not isinstance(held, CalendarError):
                learn(org, of_mailbox, held)
            yield from _compare(org, mailbox, of_mailbox, held)
            progress(len(of_mailbox))


def calendars_of(org: Org, mailboxes: Sequence[str]) -> Iterator[Calendars]:
    """What these mailboxes hold of the Org's Appointments, some mailboxes at a time."""
    calendar = org.calendar()
    for start in range(0, len(mailboxes), MAILBOXES):
        yield _read(calendar, mailboxes[start : start + MAILBOXES], stamp_of(org.slug, ""))


def _read(calendar: CalendarBackend, mailboxes: Sequence[str], stamps: str) -> Calendars:
    deadline = Deadline.after(SECONDS)
    held = partial(_held, calendar, stamps, deadline)
    return fan_out(held, mailboxes, deadline, at_once=share(calendar.at_once))


def _held(calendar: CalendarBackend, stamps: str, deadline: Deadline, mailbox: str) -> list[Held]:
    return calendar.held(mailbox, stamps, deadline, whole=False)


def _compare(
    org: Org, mailbox: str, rows: Sequence[Appointment], held: list[Held] | CalendarError
) -> Iterator[Difference]:
    if isinstance(held, CalendarError):
        yield from _unread(mailbox, rows, held)
        return
    items = by_stamp(held)
    for row in rows:
        found = items.pop(row.event.stamp, [])
        if what := _what(row, found):
            yield Difference(row.event.salesforce_id, mailbox, what, row, tuple(found))
    for name, strange in strangers(org, mailbox, items).items():
        yield Difference(name, mailbox, "not in the ledger", held=tuple(strange))


def _unread(mailbox: str, rows: Sequence[Appointment], error: CalendarError) -> Iterator[Difference]:
    for row in rows:
        gone = public_code(error.code) == MAIL_RECIPIENT_NOT_FOUND
        if row.wanted or not gone:  # a mailbox that is gone holds nothing, which is what is wanted of it
            yield Difference(row.event.salesforce_id, mailbox, f"cannot be read: {public_code(error.code)}")


def _what(row: Appointment, found: Sequence[Held]) -> str:
    """In what the calendar differs from the row; empty where it agrees."""
    content = content_of_row(row)
    if content is None:
        return "not taken away" if found else ""
    if not found:
        return "missing"
    if len(found) > 1:
        return f"{len(found)} copies"
    fields = disagrees(found[0], content)
    return "changed: " + ", ".join(sorted(field.replace("_", " ") for field in fields)) if fields else ""


def strangers(org: Org, mailbox: str, items: Mapping[str, Sequence[Held]]) -> Mapping[str, Sequence[Held]]:
    """Of the mailbox's items, by stamp, those that no row of the ledger stands for, by their Event's name."""
    names = {stamp.partition("/")[2]: found for stamp, found in items.items()}
    rows = Appointment.objects.filter(event__org=org, mailbox__iexact=mailbox)
    known = rows.filter(event__salesforce_id__in=list(names)) if names else rows.none()
    for name in known.values_list("event__salesforce_id", flat=True):
        del names[name]
    return names


def reopen(rows: Iterable[Appointment]) -> list[int]:
    """Make these Appointments due, to be looked up and written anew; their keys.

    Each Event gets another version, so that what is created then is a creation of its own.
    """
    events: defaultdict[int, set[int]] = defaultdict(set)
    for row in rows:
        events[row.event_id].add(row.pk)
    for event, pks in events.items():
        _reopen(event, pks)
    return [pk for pks in events.values() for pk in pks]


@transaction.atomic
def _reopen(event_pk: int, pks: set[int]) -> None:
    events = Event.objects.select_for_update().exclude(content__isnull=True, cancelled=False)
    event: Any = events.defer("content").annotate(now=Now()).filter(pk=event_pk).first()
    if event is None:  # forgotten since then, or its tombstone was
        return
    now: datetime = event.now
    event.version += 1
    event.save(update_fields=["version", "modified"])
    rows = list(event.appointments.select_for_update())
    for row in rows:
        if row.pk in pks:
            row.differing, row.attempts = [], 0
            if is_free(row, now):
                row.due_at = row.doubtful_until = now
        elif not row.behind:
            row.applied_version = event.version
        row.version = event.version
    update_alike(rows, ["version", "applied_version", "attempts", "differing", "doubtful_until", "due_at"])
