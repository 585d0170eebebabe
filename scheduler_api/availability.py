"""Read: plan, ask, merge, answer. Every row gets an answer, and the unknown is never called free."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from calendar_backends.base import CalendarBackend, CalendarError, Deadline, Interval
from calendar_backends.core.appointments import each_once
from calendar_backends.core.errors import (
    INTERNAL_SERVER_ERROR,
    MAIL_RECIPIENT_NOT_FOUND,
    NO_ERROR,
    SERVER_BUSY,
    public_code,
)
from calendar_backends.core.inquiry import Busy, Inquiry, Limits
from calendar_backends.core.intervals import unavailable
from orgs.models import Org, Person
from scheduler_api.circuit import Circuit
from scheduler_api.seats import seat

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AskedFor:
    email: str
    resource_id: str | None


@dataclass(frozen=True)
class Availability:
    """One row of the answer; ``slots`` are inside the window, merged and sorted."""

    email: str
    resource_id: str | None
    code: str
    slots: list[Interval]


def read(
    *, person: Person, rows: Sequence[AskedFor], window: Interval, deadline: Deadline
) -> list[Availability]:
    """One answer per row, in their order, duplicates included. Never raises."""
    mailboxes = [email for email in each_once(row.email for row in rows) if _is_address(email)]
    busy = _ask(person, mailboxes, window, deadline) if mailboxes else {}
    known = {email.lower(): answer for email, answer in busy.items()}
    nobody = CalendarError(MAIL_RECIPIENT_NOT_FOUND)
    answers = [_answer(person.org, row, known.get(row.email.lower(), nobody), window) for row in rows]
    failed = sum(answer.code != NO_ERROR for answer in answers)
    logger.info("read rows=%d mailboxes=%d failed=%d", len(rows), len(mailboxes), failed)
    return answers


def _answer(org: Org, row: AskedFor, busy: Busy, window: Interval) -> Availability:
    if isinstance(busy, CalendarError):
        slots = [window] if org.on_unknown == "block" else []
        return Availability(row.email, row.resource_id, public_code(busy.code), slots)
    slots = unavailable(busy, window, org.blocking_statuses)
    return Availability(row.email, row.resource_id, NO_ERROR, slots)


def _ask(
    person: Person, mailboxes: Sequence[str], window: Interval, deadline: Deadline
) -> Mapping[str, Busy]:
    try:
        with seat(person.org.slug) as free:
            if not free:
                error = CalendarError(SERVER_BUSY, "too many calls are waiting for this Org's Exchange")
                return dict.fromkeys(mailboxes, error)
            return _ask_exchange(person.org.calendar(person), mailboxes, window, deadline)
    except Exception:  # a bug must not become "free", nor stop every booking of the Org
        logger.exception("the driver failed")
        return dict.fromkeys(mailboxes, CalendarError(INTERNAL_SERVER_ERROR))


def _ask_exchange(
    calendar: CalendarBackend, mailboxes: Sequence[str], window: Interval, deadline: Deadline
) -> Mapping[str, Busy]:
    circuit = Circuit(calendar)
    if circuit.error is not None:
        return dict.fromkeys(mailboxes, circuit.error)
    limits = Limits(calendar.most_mailboxes, calendar.longest_window, calendar.reading, calendar.waiting)
    apart = {mailbox.lower() for mailbox in mailboxes if mailbox.lower() in calendar.slow}
    inquiry = Inquiry(calendar.busy_times, limits, deadline, apart=apart)
    answers = inquiry.run(mailboxes, window)
    for mailbox in inquiry.slow:
        calendar.slow.note(mailbox)
    for mailbox in apart - inquiry.slow:
        calendar.slow.forget(mailbox)
    circuit.remember(inquiry.broken)
    return answers


@lru_cache(maxsize=4096)
def _is_address(email: str) -> bool:
    try:
        validate_email(email)
    except ValidationError:
        return False
    return True
