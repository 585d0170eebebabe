"""Moving an Org to another driver, or another Exchange: the rehearsal, the switch, the way back.

Appointments carry their stamp through every driver, so nothing has to be moved: what one driver wrote, the
other finds. An Org in memory that is not saved stands for how it would be afterwards.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from orgs.models import Org
from scheduler_api.models import AppointmentQuerySet
from scheduler_api.repair import Scope
from scheduler_api.verify import Difference, comparable, differences

logger = logging.getLogger(__name__)


class NeverSwitched(LookupError):
    """Nothing is known to go back to."""


class ChangedMeanwhile(Exception):
    """Somebody else changed the Org's backend or options."""


@dataclass(frozen=True)
class Rehearsal:
    """What the calendars hold, read through a connection that the Org does not use yet.

    ``wanted``: how many Appointments each mailbox (in lower case) should hold. ``unfinished``: how many are
    still to be worked on, and were not compared.
    """

    compared: int
    wanted: Counter[str]
    unfinished: int
    found: Sequence[Difference]

    @property
    def kinds(self) -> Counter[str]:
        """What differs, and how often: missing, changed, 2 copies, cannot be read, …"""
        return Counter(each.what.partition(":")[0] for each in self.found)

    @property
    def elsewhere(self) -> bool:
        """Whether not one Appointment is there: this is another Exchange than the one they were put into."""
        unread = {each.mailbox.lower() for each in self.found if not each.row and not each.held}
        readable = sum(count for mailbox, count in self.wanted.items() if mailbox not in unread)
        return bool(self.wanted) and readable == self.kinds["missing"]

    def __str__(self) -> str:
        differ = sum(bool(each.row) or not each.held for each in self.found)
        agree = f"{self.compared} compared, {self.compared - differ} agree"
        counts = [f"{count} {kind}" for kind, count in sorted(self.kinds.items())]
        return ", ".join([agree, *counts]) + f"; {self.unfinished} unfinished."


def appointments_of(org: Org) -> AppointmentQuerySet:
    """Those that are compared with the calendars."""
    return comparable(Scope(orgs=[org.slug]).rows())


def rehearse(moved: Org, progress: Callable[[int], object] = lambda _: None) -> Rehearsal:
    """Compare the Org's Appointments with the calendars as ``moved`` reaches them; nothing is changed."""
    rows = appointments_of(moved)
    wanted = rows.filter(wanted=True).values_list("mailbox", flat=True)
    return Rehearsal(
        compared=rows.count(),
        wanted=Counter(mailbox.lower() for mailbox in wanted),
        unfinished=Scope(orgs=[moved.slug]).rows().unfinished().count(),
        found=list(differences(moved, rows, progress=progress)),
    )


def other_side(org: Org, *, newer: bool) -> Org:
    """The Org as it was before the last switch or, with ``newer``, before it went back; it is not saved.

    Where it is on that side already, the Org as it is: who was interrupted may do the same again.
    Raises NeverSwitched.
    """
    if org.previous is None:
        raise NeverSwitched(f'The org "{org.slug}" was never switched.')
    moved = copy(org)
    if org.previous.get("newer", False) == newer:
        moved.backend, moved.options = org.previous["backend"], org.previous["options"]
    return moved


@transaction.atomic
def switch(org: Org, moved: Org, *, back: bool) -> bool:
    """Give the Org the backend and options of ``moved``; whether that changed anything.

    ``org``: as it was when ``moved`` was made of it. ``back``: what it leaves is newer. Other processes use
    the new ones from their next call on. Raises ChangedMeanwhile.
    """
    stored = Org.objects.select_for_update().get(pk=org.pk)
    if stored.connection != org.connection:
        raise ChangedMeanwhile(f'The org "{org.slug}" was changed meanwhile.')
    if stored.connection == moved.connection:
        return False
    left: dict[str, Any] = {**stored.connection, "newer": back}
    stored.previous, stored.backend, stored.options = left, moved.backend, moved.options
    stored.save(update_fields=["previous", "backend", "options", "modified"])
    logger.info("the org %s was switched from %s to %s", org.slug, left["backend"], moved.backend)
    return True
