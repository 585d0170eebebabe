"""Declaring: writing down what every mailbox should hold, before anything is done about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Lower

from calendar_backends.base import Content
from calendar_backends.core.errors import ITEM_NOT_FOUND
from orgs.models import Org, Person
from scheduler_api.models import Appointment, Event, store_content


@dataclass(frozen=True)
class Declared:
    """An Event as it was just declared; mailboxes are in lower case.

    ``settled``: about these the ledger was certain until then, so that nothing needs to be looked up there.
    ``untouched``: these held nothing and are to hold nothing.
    """

    event: Event
    settled: frozenset[str]
    untouched: frozenset[str]


@transaction.atomic
def declare(
    *, org: Org, event_id: str, content: Content | None, wanted: Sequence[str], unwanted: Sequence[str] = ()
) -> Declared:
    """Commit the next version of an Event: its content (None cancels it) and who should have it.

    Addresses that are no active user of the Org are passed over. Whoever had the Event and is not in
    ``wanted`` is to lose it, whether ``unwanted`` names them or not.
    """
    Event.objects.get_or_create(org=org, salesforce_id=event_id)
    event = Event.objects.select_for_update().get(org=org, salesforce_id=event_id)
    rows = {row.mailbox.lower(): row for row in event.appointments.all()}
    people = _people(org, [*wanted, *unwanted])
    new = people.keys() - rows.keys()
    settled = new | {key for key, row in rows.items() if not row.due}
    invited = {address.lower() for address in wanted} & people.keys()
    event.version += 1
    event.content = None if content is None else store_content(content)
    event.cancelled = content is None
    event.save()
    rows |= {key: Appointment(event=event, mailbox=people[key], wanted=False) for key in people if key in new}
    for key, row in rows.items():
        _declare_row(row, wanted=key in invited, settled=key in settled)
    untouched = (key for key, row in rows.items() if not row.due)
    return Declared(event, frozenset(settled), frozenset(untouched))


def _people(org: Org, addresses: Iterable[str]) -> dict[str, str]:
    """The Org's active users among ``addresses``: lower-cased address -> the address of the mailbox."""
    people = Person.objects.filter(org=org, active=True).annotate(key=Lower("email"))
    keys = {address.lower() for address in addresses}
    return dict(people.filter(key__in=keys).values_list("key", "email"))


def _declare_row(row: Appointment, *, wanted: bool, settled: bool) -> None:
    if row.pk is None and not wanted:
        row.error_code = ITEM_NOT_FOUND  # never seen, until its mailbox shows otherwise
    elif not wanted and not row.wanted and settled:
        row.applied_version = row.event.version  # it holds nothing and is to hold nothing
    elif wanted != row.wanted:
        row.error_code = ""
    row.wanted = wanted
    row.save()
