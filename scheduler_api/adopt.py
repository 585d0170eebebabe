"""Rebuilding the ledger from the calendars: every Appointment carries its Event's name."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from calendar_backends.base import CalendarError, Content, Held
from calendar_backends.core.appointments import by_stamp, disagrees
from calendar_backends.core.errors import MAIL_RECIPIENT_NOT_FOUND, public_code
from orgs.models import Org, Person
from scheduler_api.downsync import content_of_row
from scheduler_api.leases import database_now
from scheduler_api.ledger import locked_event
from scheduler_api.models import Appointment, Event, store_content
from scheduler_api.verify import calendars_of, strangers


@dataclass(frozen=True)
class Found:
    """An Appointment that the ledger does not know: in whose mailbox, and the items there (one or copies)."""

    event_id: str
    mailbox: str
    held: tuple[Held, ...]


@dataclass(frozen=True)
class Unread:
    """A mailbox that could not be read."""

    mailbox: str
    code: str


def unknown(
    org: Org, *, event: str = "", mailbox: str = "", progress: Callable[[int], object] = lambda _: None
) -> Iterator[Found | Unread]:
    """What the Org's people's mailboxes hold of its Appointments that the ledger does not know."""
    people = Person.objects.filter(org=org, active=True).order_by("email")
    if mailbox:
        people = people.filter(email__iexact=mailbox)
    for calendars in calendars_of(org, list(people.values_list("email", flat=True))):
        for address, held in calendars.items():
            if not isinstance(held, CalendarError):
                found = strangers(org, address, by_stamp(held))
                yield from (Found(name, address, tuple(found[name])) for name in found if event in ("", name))
            elif public_code(held.code) != MAIL_RECIPIENT_NOT_FOUND:  # who has no mailbox has no Appointment
                yield Unread(address, public_code(held.code))
            progress(1)


def adopt(org: Org, found: Sequence[Found]) -> tuple[int, list[int]]:
    """Write them into the ledger: how many Events were made, and the keys of the Appointments that are due.

    An Event that is not known gets the content of the item that was changed last. Due is what says something
    else, what there are several copies of, and what belongs to an Event that is cancelled.
    """
    events: defaultdict[str, list[Found]] = defaultdict(list)
    for each in found:
        events[each.event_id].append(each)
    made, due = 0, []
    for name, appointments in events.items():
        try:
            new, pks = _adopt(org, name, appointments)
        except IntegrityError:  # Salesforce has just declared it
            new, pks = _adopt(org, name, appointments)
        made += new
        due += pks
    return made, due


@transaction.atomic
def _adopt(org: Org, name: str, found: Sequence[Found]) -> tuple[bool, list[int]]:
    now = database_now()
    known = locked_event(org, name)
    event = known or _made(org, name, found, now)
    mailboxes = {row.mailbox.lower() for row in event.appointments.all()}
    rows = [_row(org, event, each) for each in found if each.mailbox.lower() not in mailboxes]
    for row in rows:
        if row.behind:
            row.due_at = row.doubtful_until = now
    Appointment.objects.bulk_create(rows)
    return known is None, [row.pk for row in rows if row.due_at]


def _made(org: Org, name: str, found: Sequence[Found], now: datetime) -> Event:
    """The Event as the item has it that was changed last. Raises IntegrityError if it is being declared."""
    newest = max((item for each in found for item in each.held), key=lambda item: item.modified)
    content = content_of(newest)
    event = Event(org=org, salesforce_id=name, version=1, content=store_content(content), ends=content.end)
    event.declared = now
    event.save()
    return event


def _row(org: Org, event: Event, found: Found) -> Appointment:
    first = found.held[0]
    optional = first.show_as == org.optional_show_as != "busy"
    row = Appointment(event=event, mailbox=found.mailbox, wanted=not event.cancelled, optional=optional)
    row.version = event.version
    row.item_ref, row.backend = first.ref, org.backend
    content = content_of_row(row)
    if content is not None and len(found.held) == 1 and not disagrees(first, content):
        row.applied_version = event.version
    return row


def content_of(held: Held) -> Content:
    """What an item says, as if it had been declared."""
    return Content(held.subject, held.body, held.location, held.start, held.end)
