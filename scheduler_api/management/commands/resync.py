"""manage.py resync: the repair of the ledger and of the calendars, once or for ever."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from tqdm import tqdm

from orgs.models import Org
from scheduler_api.adopt import Found, Unread, adopt, unknown
from scheduler_api.models import Appointment, AppointmentQuerySet
from scheduler_api.repair import Scope, Tally, finish_for_ever, finish_once
from scheduler_api.states import described, state_of
from scheduler_api.tables import table
from scheduler_api.verify import Difference, differences, reopen

Item = TypeVar("Item")

#: Exit status where something is left to do; 1 and 2 are errors of the command itself.
LEFT = 3


class Command(BaseCommand):
    help = (
        "Finish what is due: every Appointment that its mailbox is not known to agree with, also those that "
        "wait for their next try. May be interrupted at any moment and run beside the service and other "
        "repair workers. Exit status: 0 everything agrees, 3 something is left to do, 1 an error, 2 a wrong "
        "option."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_argument_group("which Appointments (default: those of all active orgs)")
        which.add_argument("--org", action="append", default=[], help="An org's slug. May be repeated.")
        which.add_argument("--event", default="", help="A Salesforce id.")
        which.add_argument("--mailbox", default="", help="An address.")
        which.add_argument(
            "--since", type=_time, help="Of Events declared since then: 2026-11-22 or 2026-11-22T08:00:00Z."
        )
        which.add_argument(
            "--parked", action="store_true", help="Also those that were tried so often that they were parked."
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--verify",
            action="store_true",
            help="Read the calendars and repair what is missing, moved, changed, doubled or left over.",
        )
        how.add_argument(
            "--adopt",
            action="store_true",
            help="Rebuild a lost ledger: take in the Appointments in the calendars that it does not know. "
            "Deletions and sequence numbers cannot be told from the calendars.",
        )
        how.add_argument(
            "--loop",
            action="store_true",
            help="The repair worker: go on for ever. Run as many as you like, on any host. Ends on SIGTERM.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print what would be done as a table; change nothing."
        )

    def handle(self, **options: Any) -> None:
        if options["loop"] and options["dry_run"]:
            raise CommandError("--loop and --dry-run exclude each other.")
        if options["adopt"] and options["since"]:
            raise CommandError("--adopt takes no --since: when it was declared is not in the calendars.")
        scope = Scope(
            orgs=_existing(options["org"]),
            event=options["event"],
            mailbox=options["mailbox"],
            since=options["since"],
        )
        stop = threading.Event()
        with _stopped_by_signals(stop):
            left = self._do(scope, stop, options)
        if left:
            sys.exit(LEFT)

    def _do(self, scope: Scope, stop: threading.Event, options: dict[str, Any]) -> bool:
        """Whether something is left to do."""
        rows = _with_parked(scope) if options["parked"] else scope.rows().unfinished()
        if options["loop"]:
            return self._loop(scope, stop)
        if options["verify"]:
            return self._verify(scope, rows, stop, dry_run=options["dry_run"])
        if options["adopt"]:
            return self._adopt(scope, stop, dry_run=options["dry_run"])
        return self._show(rows) if options["dry_run"] else self._finish(rows, stop)

    def _loop(self, scope: Scope, stop: threading.Event) -> bool:
        tally = Tally()
        self.stderr.write("The repair worker is running.")
        finish_for_ever(scope, stop=stop, tally=tally)
        self._summarize(tally)
        return False

    def _show(self, rows: AppointmentQuerySet) -> bool:
        unfinished = rows.select_related("event__org").defer("event__content").order_by("due_at", "pk")
        lines = [_line(row) for row in unfinished.iterator(chunk_size=2000)]
        self._print_table(("org", "event", "mailbox", "what", "state", "tries", "last"), lines)
        self.stdout.write(f"resync: {len(lines)} to do. Nothing was changed.")
        return bool(lines)

    def _finish(self, rows: AppointmentQuerySet, stop: threading.Event) -> bool:
        with self._progress(rows.count(), "Appointments") as progress:
            tally = finish_once(rows, stop=stop, progress=progress)
        return self._summarize(tally, interrupted=stop.is_set())

    def _verify(
        self, scope: Scope, rows: AppointmentQuerySet, stop: threading.Event, *, dry_run: bool
    ) -> bool:
        left = self._show(rows) if dry_run else self._finish(rows, stop)
        found: list[tuple[str, Difference]] = []
        for org in _orgs(scope):
            of_org = scope.rows().filter(event__org=org)
            with self._progress(
                of_org.filter(due_at__isnull=True).count(), f"{org.slug} compared"
            ) as progress:
                compared = differences(org, of_org, progress=progress, learning=not dry_run)
                found += [(org.slug, each) for each in _until(stop, compared)]
        lines = [(org, each.event_id, each.mailbox, each.what) for org, each in found]
        self._print_table(("org", "event", "mailbox", "difference"), lines)
        repairable = [each.row for _, each in found if each.row is not None]
        strangers = len(found) - len(repairable)
        self.stdout.write(f"verify: {len(repairable)} to repair, {strangers} that cannot be repaired so.")
        if dry_run or not repairable:
            return bool(left or found)
        reopened = Appointment.objects.filter(pk__in=reopen(repairable)).unfinished()
        return self._finish(reopened, stop) or left or bool(strangers)

    def _adopt(self, scope: Scope, stop: threading.Event, *, dry_run: bool) -> bool:
        left = False
        for org in _orgs(scope):
            people = org.people.filter(active=True).count()
            with self._progress(people, f"{org.slug} mailboxes") as progress:
                searched = unknown(org, event=scope.event, mailbox=scope.mailbox, progress=progress)
                answers = list(_until(stop, searched))
            found = [each for each in answers if isinstance(each, Found)]
            unread = [each for each in answers if isinstance(each, Unread)]
            lines = [(org.slug, each.event_id, each.mailbox, f"{len(each.held)} found") for each in found]
            lines += [(org.slug, "", each.mailbox, f"cannot be read: {each.code}") for each in unread]
            self._print_table(("org", "event", "mailbox", "what"), lines)
            events, due = adopt(org, found) if not dry_run else (0, [])
            self.stdout.write(
                f"adopt: {org.slug}: {len(found)} Appointments that the ledger did not know, "
                + ("nothing was changed." if dry_run else f"{events} Events made, {len(due)} due.")
            )
            unfinished = Appointment.objects.filter(pk__in=due).unfinished()
            left |= bool(unread) or (dry_run and bool(found))
            left |= bool(due) and self._finish(unfinished, stop)
        return left

    def _summarize(self, tally: Tally, *, interrupted: bool = False) -> bool:
        self.stdout.write(
            f"resync: {tally.done} done, {tally.failed} failed and will be tried again, "
            f"{tally.parked} parked, {tally.elsewhere} left to another worker."
            + (" Interrupted." if interrupted else "")
        )
        return interrupted or bool(tally.failed or tally.parked or tally.elsewhere)

    def _print_table(self, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
        for line in table(heads, lines) if lines else ():
            self.stdout.write(line)

    @contextmanager
    def _progress(self, total: int, unit: str) -> Iterator[Callable[[int], object]]:
        with tqdm(total=total, desc=unit, disable=None, leave=False, file=sys.stderr) as bar:
            yield bar.update


def _line(row: Appointment) -> tuple[str, ...]:
    event = row.event
    state = state_of(row, forgotten=False, now=timezone.now())
    what = "remove" if not row.wanted else "look again" if not row.behind else "write"
    return (
        event.org.slug,
        event.salesforce_id,
        row.mailbox,
        what,
        described(state, row.due_at),
        str(row.attempts),
        row.error_code,
    )


def _with_parked(scope: Scope) -> AppointmentQuerySet:
    return scope.rows().unfinished() | scope.rows().parked()


def _orgs(scope: Scope) -> list[Org]:
    orgs = Org.objects.filter(active=True)
    return list(orgs.filter(slug__in=scope.orgs) if scope.orgs else orgs)


def _existing(slugs: Sequence[str]) -> Sequence[str]:
    known = dict(Org.objects.filter(slug__in=slugs).values_list("slug", "active"))
    for slug in slugs:
        if slug not in known:
            raise CommandError(f'There is no org "{slug}".')
        if not known[slug]:
            raise CommandError(f'The org "{slug}" is not active.')
    return slugs


def _time(text: str) -> datetime:
    try:
        day = parse_date(text)
        moment = datetime.combine(day, datetime.min.time()) if day else parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise argparse.ArgumentTypeError(f"expected 2026-11-22 or 2026-11-22T08:00:00Z, got {text!r}")
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.get_default_timezone())


def _until(stop: threading.Event, items: Iterator[Item]) -> Iterator[Item]:
    for item in items:
        if stop.is_set():
            return
        yield item


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and Ctrl-C end it after what is under way; a second Ctrl-C at once."""

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
