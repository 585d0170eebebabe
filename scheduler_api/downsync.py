"""Create, Update, Delete: declare what every mailbox should hold, make it so, report.

The same `converge` serves the API call and the repair worker.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.db.models.functions import Now

from calendar_backends.base import (
    FIELDS,
    CalendarBackend,
    CalendarError,
    Change,
    Content,
    Deadline,
)
from calendar_backends.core.appointments import each_once
from calendar_backends.core.convergence import Goal, Outcome, Run, carry_out
from calendar_backends.core.errors import (
    INTERNAL_SERVER_ERROR,
    ITEM_NOT_FOUND,
    MAIL_RECIPIENT_NOT_FOUND,
    NO_ERROR,
    SERVER_BUSY,
    STALE_OBJECT,
    TIMEOUT_EXPIRED,
    public_code,
)
from orgs.models import Org
from scheduler_api.circuit import Circuit
from scheduler_api.leases import Task, release, take
from scheduler_api.ledger import Declaration, Declared, declare
from scheduler_api.models import Appointment, Event, load_content
from scheduler_api.seats import seat

logger = logging.getLogger(__name__)

#: Seconds between two looks at what another process is working on, at first and at most.
FIRST_LOOK, LONGEST_LOOK = 0.02, 0.25


@dataclass(frozen=True)
class Status:
    """One row of the answer."""

    email: str
    code: str


def save(*, org: Org, event_id: str, declaration: Declaration, deadline: Deadline) -> list[Status]:
    """Create and Update: the Event in every wanted mailbox, and in no other. Organizer first."""
    declared = declare(org=org, event_id=event_id, declaration=declaration, deadline=deadline)
    codes = _codes(declared, deadline)
    keep = {address.lower() for address in declaration.wanted}
    # A leaver that never had it is as it should be.
    done = {key: NO_ERROR for key, code in codes.items() if key not in keep and code == ITEM_NOT_FOUND}
    named = [*declaration.wanted, *declaration.unwanted]
    return _report(named, {**codes, **done}, declared)


def cancel(*, org: Org, event_id: str, declaration: Declaration, deadline: Deadline) -> list[Status]:
    """Delete: the Event in no mailbox. Reports whoever was named, and whoever had it until now."""
    declared = declare(org=org, event_id=event_id, declaration=declaration, deadline=deadline)
    codes = _codes(declared, deadline)
    return _report(declaration.unwanted or list(codes), codes, declared)


def _report(named: Sequence[str], codes: Mapping[str, str], declared: Declared) -> list[Status]:
    """A row per address, in the caller's order and spelling; others who are concerned come last."""
    if declared.overtaken:
        return [Status(address, STALE_OBJECT) for address in each_once(named)]
    addresses = each_once([*named, *(mailbox for mailbox in codes if mailbox not in declared.untouched)])
    return [Status(address, codes.get(address.lower(), MAIL_RECIPIENT_NOT_FOUND)) for address in addresses]


def _codes(declared: Declared, deadline: Deadline) -> dict[str, str]:
    """Converge, and the public code of every mailbox of the Event, in lower case."""
    rows = declared.rows
    if declared.overtaken:
        return {row.mailbox.lower(): STALE_OBJECT for row in rows}
    newer = converge(declared.event.org, declared.tasks, deadline)
    if declared.held or newer:
        rows = _settled(declared.event, deadline)
    return {row.mailbox.lower(): public_code(_code_of(row)) for row in rows}


def _code_of(row: Appointment) -> str:
    if row.behind and row.error_code in ("", NO_ERROR, ITEM_NOT_FOUND):
        return TIMEOUT_EXPIRED  # somebody else is still at it
    return row.error_code


def _settled(event: Event, deadline: Deadline) -> list[Appointment]:
    """The Event's rows once nobody is at work on them, or at the deadline.

    Another call may hold some of them, or have declared something else meanwhile: let it finish, then do what
    is left to do.
    """
    rows = event.appointments.order_by("pk").select_related("event").defer("event__content")
    look = FIRST_LOOK
    while True:
        found = list(rows.annotate(now=Now()))
        busy = [row.pk for row in found if _is_in_hand(row)]
        if not busy or deadline.over:
            return found
        time.sleep(min(look, deadline.left()))
        look = min(2 * look, LONGEST_LOOK)
        behind = Appointment.objects.behind().filter(pk__in=busy)
        converge(event.org, take(behind, deadline), deadline)


def _is_in_hand(row: Any) -> bool:
    """Whether it is worked on, or was just left to whoever comes next. ``row`` has the database's ``now``."""
    due = row.due_at is not None and row.due_at <= row.now
    return row.behind and (due or row.lease is not None)


def converge(org: Org, tasks: Sequence[Task], deadline: Deadline) -> bool:
    """Make the mailboxes of these Appointments agree with what is declared, and write down what came of it.

    All tasks are the Org's. No transaction is open and no row is locked while Exchange is called. Whether
    something else was declared meanwhile.
    """
    if not tasks:
        return False
    for task in tasks:
        task.event.org = org  # one for all: its driver may be changed at any time
    runs = [run_of(task) for task in tasks]
    work(org, runs, deadline)
    return finish(tasks, runs)


def finish(tasks: Sequence[Task], runs: Sequence[Run]) -> bool:
    """Write down what came of the tasks. Whether something else was declared meanwhile."""
    newer = release(list(zip(tasks, runs, strict=True)))
    failed = sum(run.code != NO_ERROR for run in runs)
    logger.info("converged mailboxes=%d failed=%d", len(runs), failed)
    return newer


def run_of(task: Task) -> Run:
    """What is to be done about one Appointment."""
    row, event = task.row, task.event
    foreign = row.backend not in ("", event.org.backend)  # the Org had another driver when it was written
    ref = None if foreign else row.item_ref
    # Without a reference to go by, unless it never had one.
    lost = ref is None and (row.backend != "" or row.error_code not in ("", NO_ERROR))
    doubtful = lost or row.doubtful_until is not None
    fields = frozenset(row.differing) or FIELDS
    goal = Goal(row.mailbox, event.stamp, event.version, content_of_row(row), fields)
    run = Run(goal, ref, attempted=doubtful)
    if event.forgotten and row.wanted:
        run.leave()
    return run


def content_of_row(row: Appointment) -> Content | None:
    """What the mailbox should hold; None for nothing."""
    event = row.event
    if not row.wanted or event.content is None:
        return None
    show_as = event.org.optional_show_as if row.optional else "busy"
    return replace(load_content(event.content), show_as=show_as, reminder=event.org.reminder_minutes)


def work(org: Org, runs: Sequence[Run], deadline: Deadline) -> None:
    """Call Exchange until everything is done, or the deadline. Never raises."""
    try:
        with seat(org.slug) as free:
            if free:
                _call_exchange(org.calendar(), runs, deadline)
            else:
                _refuse(runs, CalendarError(SERVER_BUSY, "too many calls wait for this Org's Exchange"))
    except Exception:  # a bug in a driver: what it did is unknown, so everything stays due
        logger.exception("the driver failed")
        for run in runs:
            run.give_up(INTERNAL_SERVER_ERROR)


def _call_exchange(calendar: CalendarBackend, runs: Sequence[Run], deadline: Deadline) -> None:
    """One mailbox goes first where nobody was let in lately: too many wrong passwords lock an account."""
    circuit = Circuit(calendar)
    write = partial(_write, calendar)
    first = 1 if circuit.suspect else len(runs)
    if circuit.error is not None:
        _refuse(runs, circuit.error)
        return
    carry_out(write, runs[:first], deadline)
    error = _let_nobody_in(runs[:first])
    # A single 401 is also what a busy Exchange says: one alone is no proof, where others were let in.
    proven = len(runs) > 1 or circuit.suspect
    circuit.remember(error if proven else None)
    if error is None:
        carry_out(write, runs[first:], deadline)
    else:
        _refuse(runs[first:], error)


def _let_nobody_in(runs: Sequence[Run]) -> CalendarError | None:
    """The error of every one of them, if it is that the connection's credentials are refused."""
    errors = [run.error for run in runs if run.error and run.error.signed_out and run.code != NO_ERROR]
    return errors[0] if errors and len(errors) == len(runs) else None


def _refuse(runs: Sequence[Run], error: CalendarError) -> None:
    """Exchange is not asked at all, so this is no try that counts."""
    for run in runs:
        run.refuse(CalendarError(error.code, error.detail, retry_after=error.retry_after, asked=False))


def _write(
    calendar: CalendarBackend, changes: Sequence[Change], deadline: Deadline
) -> Mapping[Change, Outcome]:
    try:
        outcomes = calendar.write(changes, deadline)
    except CalendarError as error:
        outcomes = dict.fromkeys(changes, error)
    for change, outcome in outcomes.items():
        if isinstance(outcome, CalendarError):
            logger.warning("%s failed for %s: %s", change.verb, change.mailbox, outcome)
    return outcomes
