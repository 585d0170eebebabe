"""Finishing what is due, whoever left it: the command resync, once or for ever.

Any number of processes on any number of hosts may do this side by side; leases keep them apart. A thread
works for one Org at a time, so an Exchange that hangs holds up no other Org.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connections

from calendar_backends.base import NO_ERROR, Deadline
from calendar_backends.core.errors import ITEM_NOT_FOUND
from orgs.models import Org
from scheduler_api.downsync import converge
from scheduler_api.leases import Task, take
from scheduler_api.logs import org_slug
from scheduler_api.models import Appointment, AppointmentQuerySet

logger = logging.getLogger(__name__)

#: Appointments of one Org that are leased and worked on at a time.
CHUNK = 50
ORGS_AT_ONCE = 16
#: Seconds between two looks for what is due.
POLL = 1.0


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which Appointments: of these Orgs (slugs; none: all that are active), of one Event, of one mailbox, of
    Events that Salesforce spoke of since then."""

    orgs: Collection[str] = ()
    event: str = ""
    mailbox: str = ""
    since: datetime | None = None

    def rows(self) -> AppointmentQuerySet:
        rows = Appointment.objects.filter(event__org__active=True)
        if self.orgs:
            rows = rows.filter(event__org__slug__in=self.orgs)
        if self.event:
            rows = rows.filter(event__salesforce_id=self.event)
        if self.mailbox:
            rows = rows.filter(mailbox__iexact=self.mailbox)
        return rows.filter(event__declared__gte=self.since) if self.since else rows


@dataclass
class Tally:
    """What came of it. Safe to use from all threads."""

    done: int = 0
    failed: int = 0
    parked: int = 0
    elsewhere: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, tasks: Sequence[Task], *, elsewhere: int = 0) -> None:
        """``tasks``: after they were released. ``elsewhere``: how many another worker had."""
        left = [task.row for task in tasks if _is_left(task)]
        parked = sum(row.due_at is None for row in left)
        with self._lock:
            self.done += len(tasks) - len(left)
            self.failed += len(left) - parked
            self.parked += parked
            self.elsewhere += elsewhere


def _is_left(task: Task) -> bool:
    """Whether it came to nothing; where there was nothing but to look once more, that."""
    return task.row.behind or task.row.error_code not in (NO_ERROR, ITEM_NOT_FOUND)


def finish_once(
    rows: AppointmentQuerySet, *, stop: threading.Event, progress: Callable[[int], object] = lambda _: None
) -> Tally:
    """Try every one of ``rows`` once. ``progress`` is told how many more are through."""
    todo: defaultdict[int, list[int]] = defaultdict(list)
    for pk, org in rows.order_by("due_at", "pk").values_list("pk", "event__org_id"):
        todo[org].append(pk)
    tally = Tally()

    def for_org(pk: int) -> None:
        _finish_org(pk, rows, todo[pk], tally, stop, progress)

    if len(todo) == 1:
        for_org(next(iter(todo)))
    elif todo:
        with ThreadPoolExecutor(ORGS_AT_ONCE, thread_name_prefix="repair") as pool:
            for future in [pool.submit(_in_thread, for_org, pk) for pk in todo]:
                future.result()
    return tally


def _finish_org(
    org_pk: int,
    rows: AppointmentQuerySet,
    pks: Sequence[int],
    tally: Tally,
    stop: threading.Event,
    progress: Callable[[int], object],
) -> None:
    for start in range(0, len(pks), CHUNK):
        if stop.is_set():
            return
        chunk = pks[start : start + CHUNK]
        # Whatever another worker has finished since is not done again.
        tasks = _work(Org.objects.get(pk=org_pk), rows.filter(pk__in=chunk))
        others = rows.filter(pk__in=set(chunk) - {task.row.pk for task in tasks})
        tally.count(tasks, elsewhere=others.count())
        progress(len(chunk))


def finish_for_ever(scope: Scope, *, stop: threading.Event, tally: Tally) -> None:
    """Work off what comes due, until ``stop`` is set. A database that is away is waited for."""
    busy: dict[int, Future[None]] = {}
    with ThreadPoolExecutor(ORGS_AT_ONCE, thread_name_prefix="repair") as pool:
        while not stop.is_set():
            busy = {org: future for org, future in busy.items() if not _is_over(future)}
            try:
                for org in _orgs_with_due(scope, busy)[: ORGS_AT_ONCE - len(busy)]:
                    busy[org] = pool.submit(_in_thread, _finish_due, org, scope, tally, stop)
            except Exception:
                logger.exception("the ledger cannot be read")
                connections.close_all()
            stop.wait(POLL)


def _orgs_with_due(scope: Scope, busy: Iterable[int]) -> list[int]:
    due = scope.rows().due().exclude(event__org_id__in=list(busy))
    return list(due.order_by().values_list("event__org_id", flat=True).distinct())


def _finish_due(org_pk: int, scope: Scope, tally: Tally, stop: threading.Event) -> None:
    while not stop.is_set():
        due = scope.rows().filter(event__org_id=org_pk).due()
        tasks = _work(Org.objects.get(pk=org_pk), due)
        tally.count(tasks)
        if len(tasks) < CHUNK:
            return


def _work(org: Org, rows: AppointmentQuerySet) -> list[Task]:
    """Lease up to CHUNK of the rows, do what is to be done, and let go of them."""
    org_slug.set(org.slug)
    deadline = Deadline.after(org.write_deadline)
    tasks = take(rows, deadline, most=CHUNK)
    converge(org, tasks, deadline)
    return tasks


def _in_thread(call: Callable[..., None], *arguments: object) -> None:
    """With a connection to the database that ends with the call."""
    try:
        call(*arguments)
    finally:
        connections.close_all()


def _is_over(future: Future[None]) -> bool:
    if future.done() and (error := future.exception()):
        logger.error("the repair of an Org failed", exc_info=error)
    return future.done()
