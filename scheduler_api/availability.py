"""Read: plan, ask, merge, answer. Every row gets an answer, and the unknown is never called free."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from calendar_backends.base import BusyTime, CalendarBackend, CalendarError, Deadline, Interval, fan_out
from calendar_backends.core.appointments import each_once
from calendar_backends.core.errors import (
    FREE_BUSY_GENERATION_FAILED,
    INTERNAL_SERVER_ERROR,
    MAIL_RECIPIENT_NOT_FOUND,
    NO_ERROR,
    public_code,
)
from calendar_backends.core.intervals import split, unavailable
from orgs.models import Org

logger = logging.getLogger(__name__)

#: Pieces of a long window that are asked for side by side.
PIECES_AT_ONCE = 4

Busy = list[BusyTime] | CalendarError


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


def read(*, org: Org, rows: Sequence[AskedFor], window: Interval, deadline: Deadline) -> list[Availability]:
    """One answer per row, in their order, duplicates included. Never raises."""
    mailboxes = [email for email in each_once(row.email for row in rows) if _is_address(email)]
    busy = _ask(org, mailboxes, window, deadline) if mailboxes else {}
    known = {email.lower(): answer for email, answer in busy.items()}
    nobody = CalendarError(MAIL_RECIPIENT_NOT_FOUND)
    answers = [_answer(org, row, known.get(row.email.lower(), nobody), window) for row in rows]
    failed = sum(answer.code != NO_ERROR for answer in answers)
    logger.info("read rows=%d mailboxes=%d failed=%d", len(rows), len(mailboxes), failed)
    return answers


def _answer(org: Org, row: AskedFor, busy: Busy, window: Interval) -> Availability:
    if isinstance(busy, CalendarError):
        slots = [window] if org.on_unknown == "block" else []
        return Availability(row.email, row.resource_id, public_code(busy.code), slots)
    slots = unavailable(busy, window, org.blocking_statuses)
    return Availability(row.email, row.resource_id, NO_ERROR, slots)


def _ask(org: Org, mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
    try:
        calendar = org.calendar()
        pieces = split(window, calendar.longest_window)
        ask = partial(_ask_piece, calendar, mailboxes, deadline)
        answers = fan_out(ask, pieces, deadline, at_once=PIECES_AT_ONCE)
    except Exception:  # a bug must not become "free", nor stop every booking of the Org
        logger.exception("the driver failed")
        return dict.fromkeys(mailboxes, CalendarError(INTERNAL_SERVER_ERROR))
    return {mailbox: _join([_of(answer, mailbox) for answer in answers.values()]) for mailbox in mailboxes}


def _ask_piece(
    calendar: CalendarBackend, mailboxes: Sequence[str], deadline: Deadline, piece: Interval
) -> Mapping[str, Busy]:
    return calendar.busy_times(mailboxes, piece, deadline)


def _of(answer: Mapping[str, Busy] | CalendarError, mailbox: str) -> Busy:
    if isinstance(answer, CalendarError):
        return answer
    return answer.get(mailbox, CalendarError(FREE_BUSY_GENERATION_FAILED, "the driver left it out"))


def _join(pieces: Sequence[Busy]) -> Busy:
    """The entries of all pieces; where one piece is unknown, the whole is."""
    entries: list[BusyTime] = []
    for piece in pieces:
        if isinstance(piece, CalendarError):
            return piece
        entries += piece
    return entries


def _is_address(email: str) -> bool:
    try:
        validate_email(email)
    except ValidationError:
        return False
    return True
