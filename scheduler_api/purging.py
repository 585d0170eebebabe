"""Forgetting: the content of Events that are long over, and Events that were cancelled long ago.

Nothing here waits for the service: what somebody has locked, or is working on, is left for the next time.
Each batch is one transaction, so it may be interrupted anywhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from orgs.models import Org
from scheduler_api.models import Appointment, Event

#: Events per transaction.
BATCH = 1_000


class Kind(StrEnum):
    """What became of an Event, or of an Appointment."""

    CONTENT = "contents removed"
    GIVEN_UP = "unfinished Appointments given up"
    TOMBSTONE = "tombstones deleted"
    KEPT = "tombstones kept because something is unfinished"
    IN_WORK = "Events in work and left for the next time"


#: How many of each kind, by the Org's slug.
Tally = Counter[tuple[str, Kind]]


@dataclass(frozen=True)
class Purge:
    """Which Events (``events``), and what is done to some of them in one transaction (``step``)."""

    events: QuerySet[Event]
    step: Callable[[QuerySet[Event], bool], Tally]

    def of(self, org: Org) -> "Purge":
        return Purge(self.events.filter(org=org), self.step)

    def pks(self) -> list[int]:
        return list(self.events.values_list("pk", flat=True))

    def carry_out(self, pks: list[int], *, dry_run: bool) -> Iterator[tuple[int, Tally]]:
        """After each batch: how many Events it had, and what became of them (or would, if ``dry_run``)."""
        for start in range(0, len(pks), BATCH):
            batch = pks[start : start + BATCH]
            yield len(batch), self.step(self.events.filter(pk__in=batch), dry_run)


def contents(ended_before: datetime) -> Purge:
    """Removes the content of Events, and gives up what is unfinished about them.

    The rows stay: a later Delete still finds the Appointments. What a mailbox should not hold is still taken
    away; that needs no content.
    """
    return Purge(Event.objects.filter(ends__lt=ended_before), _forget)


def tombstones(declared_before: datetime) -> Purge:
    """Deletes cancelled Events whose mailboxes are known to hold nothing of them."""
    return Purge(Event.objects.filter(declared__lt=declared_before, cancelled=True), _delete)


@transaction.atomic
def _forget(events: QuerySet[Event], dry_run: bool) -> Tally:
    slugs, rows, tally = _take(events, dry_run)
    given_up = [row for row in rows if row.wanted and _unfinished(row)]
    tally.update((slug, Kind.CONTENT) for slug in slugs.values())
    tally.update((slugs[row.event_id], Kind.GIVEN_UP) for row in given_up)
    if not dry_run:
        _give_up(given_up)
        Event.objects.filter(pk__in=slugs).update(content=None, ends=None)
    return tally


@transaction.atomic
def _delete(events: QuerySet[Event], dry_run: bool) -> Tally:
    slugs, rows, tally = _take(events, dry_run)
    kept = {row.event_id for row in rows if _unfinished(row)}
    done = slugs.keys() - kept
    tally.update((slugs[pk], Kind.KEPT) for pk in kept)
    tally.update((slugs[pk], Kind.TOMBSTONE) for pk in done)
    if not dry_run:
        Appointment.objects.filter(event__in=done).delete()
        Event.objects.filter(pk__in=done).delete()
    return tally


def _take(events: QuerySet[Event], dry_run: bool) -> tuple[dict[int, str], list[Appointment], Tally]:
    """Lock the Events that nobody works on: their Orgs' slugs, their Appointments, and who was left out.

    The Event is locked first, as everywhere, and with it who may get an Appointment.
    """
    found = events.select_related("org").only("org__slug").order_by("pk")
    rows = Appointment.objects.only("event", "wanted", "version", "applied_version", "due_at")
    if not dry_run:
        skip = connection.features.has_select_for_update_skip_locked
        found = found.select_for_update(of=("self",), skip_locked=skip)
        rows = rows.select_for_update(of=("self",), skip_locked=skip)
    slugs = {event.pk: event.org.slug for event in found}
    free = list(rows.filter(Q(lease__isnull=True) | Q(due_at__lte=Now()), event__in=slugs))
    others = Appointment.objects.filter(event__in=slugs).exclude(pk__in=[row.pk for row in free])
    busy = set(others.values_list("event_id", flat=True))
    left = Counter((slugs.pop(pk), Kind.IN_WORK) for pk in busy)
    return slugs, [row for row in free if row.event_id in slugs], left


def _unfinished(row: Appointment) -> bool:
    """Whether it is due, waiting, looked at again, or parked."""
    return row.due_at is not None or row.behind


def _give_up(rows: Iterable[Appointment]) -> None:
    Appointment.objects.filter(pk__in=[row.pk for row in rows]).update(
        applied_version=F("version"),
        attempts=0,
        differing=[],
        doubtful_until=None,
        due_at=None,
        lease=None,
        modified=timezone.now(),
    )
