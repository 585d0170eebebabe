"""What the driver calls the items: a cache, which is learned anew after the Org's driver was changed."""

from collections.abc import Mapping, Sequence

from django.db import connection, transaction

from calendar_backends.base import Held
from calendar_backends.core.appointments import by_stamp
from orgs.models import Org
from scheduler_api.leases import update_alike
from scheduler_api.models import Appointment


def learn(org: Org, rows: Sequence[Appointment], held: Sequence[Held]) -> None:
    """Note what the Org's driver calls the items of one mailbox, so that the next call need not search.

    ``rows``: what the ledger knew of that mailbox before ``held`` was read. Copies are left alone: which of
    them stays is not decided yet.
    """
    refs = {stamp: found[0].ref for stamp, found in by_stamp(held).items() if len(found) == 1}
    news = [row for row in rows if _is_news(row, org, refs.get(row.event.stamp))]
    if news:
        _note(org, {row.pk: row for row in news}, refs)


def _is_news(row: Appointment, org: Org, ref: str | None) -> bool:
    return ref is not None and (row.item_ref, row.backend) != (ref, org.backend)


@transaction.atomic
def _note(org: Org, known: Mapping[int, Appointment], refs: Mapping[str, str]) -> None:
    """Only where nobody works on the row, or has done so since; whoever holds a row is not waited for."""
    skip = connection.features.has_select_for_update_skip_locked
    free = Appointment.objects.filter(pk__in=known, lease__isnull=True).select_for_update(skip_locked=skip)
    rows = [row for row in free if _same(row, known[row.pk])]
    for row in rows:
        row.item_ref, row.backend = refs[known[row.pk].event.stamp], org.backend
    update_alike(rows, ["item_ref", "backend"])


def _same(row: Appointment, known: Appointment) -> bool:
    return (row.item_ref, row.backend) == (known.item_ref, known.backend)
