"""Declaring: writing down what every mailbox should hold, before anything is done about it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower, Now

from calendar_backends.base import Content, Deadline
from calendar_backends.core.appointments import differing
from calendar_backends.core.errors import ITEM_NOT_FOUND
from orgs.models import Org, Person
from scheduler_api.leases import Task, database_now, is_free, lease, lease_seconds, update_alike
from scheduler_api.models import Appointment, Event, load_content, store_content

DECLARED = (
    "applied_version",
    "attempts",
    "differing",
    "doubtful_until",
    "due_at",
    "error_code",
    "lease",
    "optional",
    "version",
    "wanted",
)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What Salesforce says of an Event. ``content`` None cancels it.

    Addresses that are no active user of the Org are passed over. Whoever had the Event and is not in
    ``wanted`` is to lose it, whether ``unwanted`` names them or not. ``optional`` has the lower-cased
    addresses of those in ``wanted`` who need not come. ``sequence`` is the caller's growing number.
    """

    content: Content | None
    wanted: Sequence[str] = ()
    unwanted: Sequence[str] = ()
    optional: Collection[str] = ()
    sequence: int | None = None


@dataclass(frozen=True)
class Declared:
    """An Event as it was just declared.

    ``rows``: all its Appointments. ``tasks``: what this process has leased and is to do now. ``held``: what
    another process is working on. ``untouched``: lower-cased mailboxes that held nothing and are to hold
    nothing. ``overtaken``: a later declaration was there before, so that nothing was changed.
    """

    event: Event
    rows: list[Appointment] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    held: list[Appointment] = field(default_factory=list)
    untouched: frozenset[str] = frozenset()
    overtaken: bool = False


def declare(*, org: Org, event_id: str, declaration: Declaration, deadline: Deadline) -> Declared:
    """Commit the next version of an Event, and lease what is to be done about it until ``deadline``."""
    try:
        return _declare(org, event_id, declaration, deadline)
    except IntegrityError:  # another call has just made the same Event
        return _declare(org, event_id, declaration, deadline)


@transaction.atomic
def _declare(org: Org, event_id: str, declaration: Declaration, deadline: Deadline) -> Declared:
    now, people = _people(org, [*declaration.wanted, *declaration.unwanted])
    event = locked_event(org, event_id) or Event(org=org, salesforce_id=event_id)
    old = list(event.appointments.order_by("pk").select_for_update()) if event.version else []
    if _is_overtaken(event, declaration, now):
        return Declared(event, old, overtaken=True)
    was = load_content(event.content) if event.content else None
    _declare_event(event, declaration, now)
    known = {row.mailbox.lower() for row in old}
    new = [Appointment(event=event, mailbox=people[key], wanted=False) for key in people if key not in known]
    changed = differing(was, declaration.content) if was and declaration.content else frozenset()
    invited = {address.lower() for address in declaration.wanted} & people.keys()
    rows = [*old, *new]
    for row in rows:
        _declare_row(row, declaration, wanted=row.mailbox.lower() in invited, changed=changed)
    todo = [row for row in rows if row.behind]
    mine = [row for row in todo if is_free(row, now)]
    lease(mine, now + lease_seconds(deadline), now)
    Appointment.objects.bulk_create(new)
    update_alike(old, DECLARED)
    untouched = frozenset(row.mailbox.lower() for row in rows if not row.behind)
    held = [row for row in todo if row not in mine]
    return Declared(event, rows, [Task(row, event, now) for row in mine], held, untouched)


def locked_event(org: Org, event_id: str) -> Event | None:
    """The Event, if it is known; its row is locked."""
    event = Event.objects.select_for_update().filter(org=org, salesforce_id=event_id).order_by().first()
    if event is not None:
        event.org = org
    return event


def _is_overtaken(event: Event, declaration: Declaration, now: datetime) -> bool:
    """Whether a later declaration was here before this one.

    A caller that numbers its declarations is ordered by them for ever, and the same number again repeats the
    call. Otherwise what arrives shortly after a Delete is taken for one that the Delete has overtaken.
    """
    revives = event.cancelled and declaration.content is not None
    if declaration.sequence is not None and event.sequence is not None:
        return declaration.sequence < event.sequence or (revives and declaration.sequence == event.sequence)
    window = timedelta(seconds=settings.TOMBSTONE_WINDOW)
    return revives and event.declared is not None and now < event.declared + window


def _declare_event(event: Event, declaration: Declaration, now: datetime) -> None:
    content = declaration.content
    event.version += 1
    event.content = None if content is None else store_content(content)
    event.ends = content.end if content else None
    event.cancelled = content is None
    event.declared = now
    event.sequence = event.sequence if declaration.sequence is None else declaration.sequence
    event.save()


def _people(org: Org, addresses: Iterable[str]) -> tuple[datetime, dict[str, str]]:
    """The database's time, and the Org's active users among ``addresses``: in lower case -> their mailbox."""
    people = Person.objects.annotate(key=Lower("email"), now=Now()).order_by()
    keys = {address.lower() for address in addresses}
    found = list(people.filter(org=org, active=True, key__in=keys).values_list("now", "key", "email"))
    now = found[0][0] if found else database_now()
    return now, {key: email for _, key, email in found}


def _declare_row(
    row: Appointment, declaration: Declaration, *, wanted: bool, changed: frozenset[str]
) -> None:
    """``changed``: the fields in which the content differs from that of the version before."""
    settled = not row.behind and row.due_at is None
    row.version = row.event.version
    optional = wanted and row.mailbox.lower() in declaration.optional
    if row.pk is None and not wanted:
        row.error_code = ITEM_NOT_FOUND  # never seen, until its mailbox shows otherwise
    elif row.pk is not None and not wanted and not row.wanted and settled:
        row.applied_version = row.version  # it holds nothing and is to hold nothing
    elif wanted != row.wanted:
        row.error_code = ""
        if row.pk is not None and row.item_ref is None and not settled:  # what is there is not known
            row.doubtful_until = row.doubtful_until or row.event.declared
    shown = {"show_as"} if optional != row.optional else set()
    row.differing = _differing(row, changed | shown, wanted=wanted, settled=settled)
    row.wanted, row.optional, row.attempts = wanted, optional, 0


def _differing(row: Appointment, changed: Collection[str], *, wanted: bool, settled: bool) -> list[str]:
    """What an update has to write; empty where that may be everything."""
    if not (wanted and row.wanted) or not changed or not (settled or row.differing):
        return []
    return sorted({*changed, *row.differing})
