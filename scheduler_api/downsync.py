"""Create, Update, Delete: declare what every mailbox should hold, make it so, report.

The same `converge` serves the API call and whoever finishes later what it could not.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from calendar_backends.base import CalendarBackend, CalendarError, Change, Content, Deadline
from calendar_backends.core.appointments import each_once
from calendar_backends.core.convergence import Goal, Outcome, Settled, first_change, next_changes
from calendar_backends.core.errors import (
    INTERNAL_SERVER_ERROR,
    ITEM_NOT_FOUND,
    MAIL_RECIPIENT_NOT_FOUND,
    NO_ERROR,
    TIMEOUT_EXPIRED,
    public_code,
)
from orgs.models import Org
from scheduler_api.ledger import declare
from scheduler_api.models import Appointment, Event, load_content

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Status:
    """One row of the answer."""

    email: str
    code: str


def save(
    *,
    org: Org,
    event_id: str,
    content: Content,
    wanted: Sequence[str],
    unwanted: Sequence[str] = (),
    deadline: Deadline,
) -> list[Status]:
    """Create and Update: the Event in every wanted mailbox, and in no other. Organizer first."""
    declared = declare(org=org, event_id=event_id, content=content, wanted=wanted, unwanted=unwanted)
    codes = converge(declared.event, deadline, settled=declared.settled)
    keep = {address.lower() for address in wanted}
    # A leaver that never had it is as it should be.
    done = {key: NO_ERROR for key, code in codes.items() if key not in keep and code == ITEM_NOT_FOUND}
    return _report([*wanted, *unwanted], {**codes, **done}, declared.untouched)


def cancel(*, org: Org, event_id: str, named: Sequence[str], deadline: Deadline) -> list[Status]:
    """Delete: the Event in no mailbox. Reports whoever was named, and whoever had it until now."""
    declared = declare(org=org, event_id=event_id, content=None, wanted=(), unwanted=named)
    codes = converge(declared.event, deadline, settled=declared.settled)
    return _report(named or list(codes), codes, declared.untouched)


def _report(named: Sequence[str], codes: Mapping[str, str], untouched: Collection[str]) -> list[Status]:
    """A row per address, in the caller's order and spelling; others who are concerned come last."""
    addresses = each_once([*named, *(mailbox for mailbox in codes if mailbox not in untouched)])
    return [Status(address, codes.get(address.lower(), MAIL_RECIPIENT_NOT_FOUND)) for address in addresses]


def converge(event: Event, deadline: Deadline, *, settled: Collection[str] = ()) -> dict[str, str]:
    """Make every mailbox of the Event agree with it; lower-cased mailbox -> public code.

    ``settled`` are the mailboxes that need no look before something is created in them. No transaction
    is open and no row is locked while Exchange is called.
    """
    rows = list(event.appointments.order_by("pk"))
    runs = [_run(event, row, settled) for row in rows if row.due]
    if runs:
        _carry_out(event.org, runs, deadline)
    for run in runs:
        _record(event, run)
    failed = sum(run.code != NO_ERROR for run in runs)
    logger.info("converged version=%d mailboxes=%d failed=%d", event.version, len(runs), failed)
    return {row.mailbox.lower(): public_code(row.error_code) for row in rows}


@dataclass
class _Run:
    """One mailbox on its way to its goal: what to do next, and what came of it so far."""

    row: Appointment
    goal: Goal
    todo: list[Change]
    looked: bool = False
    settled: list[Settled] = field(default_factory=list)

    @property
    def ref(self) -> str | None:
        return next((end.ref for end in self.settled if end.ref), None)

    @property
    def code(self) -> str:
        if not self.settled or self.todo:
            return TIMEOUT_EXPIRED
        return next((end.code for end in self.settled if end.code != NO_ERROR), NO_ERROR)

    def take(self, outcomes: Mapping[Change, Outcome]) -> None:
        changes, self.todo = self.todo, []
        for change in changes:
            following = next_changes(self.goal, change, outcomes[change], looked=self.looked)
            if isinstance(following, Settled):
                self.settled.append(following)
            else:
                self.looked = True
                self.todo += following


def _run(event: Event, row: Appointment, settled: Collection[str]) -> _Run:
    content = load_content(event.content) if row.wanted and event.content else None
    goal = Goal(row.mailbox, event.stamp, event.version, content)
    foreign = row.backend not in ("", event.org.backend)  # the Org had another driver when it was written
    attempted = foreign or row.mailbox.lower() not in settled
    return _Run(row, goal, [first_change(goal, None if foreign else row.item_ref, attempted=attempted)])


def _carry_out(org: Org, runs: Sequence[_Run], deadline: Deadline) -> None:
    try:
        calendar = org.calendar()
        while (busy := [run for run in runs if run.todo]) and not deadline.over:
            outcomes = _write(calendar, [change for run in busy for change in run.todo], deadline)
            for run in busy:
                run.take(outcomes)
    except Exception:  # a bug in a driver: what it did is unknown, so everything stays due
        logger.exception("the driver failed")
        for run in runs:
            run.settled.append(Settled(run.ref, INTERNAL_SERVER_ERROR))


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


def _record(event: Event, run: _Run) -> None:
    """Note the outcome, unless a later version has been applied meanwhile."""
    row, code = run.row, run.code
    if run.settled:
        row.item_ref, row.backend = run.ref, event.org.backend if run.ref else ""
    if code == NO_ERROR:
        row.applied_version = event.version
    never = row.error_code == ITEM_NOT_FOUND and not any(end.existed for end in run.settled)
    row.error_code = ITEM_NOT_FOUND if never and code == NO_ERROR else code
    Appointment.objects.filter(pk=row.pk, applied_version__lt=event.version).update(
        item_ref=row.item_ref,
        backend=row.backend,
        error_code=row.error_code,
        applied_version=row.applied_version,
        modified=timezone.now(),
    )
