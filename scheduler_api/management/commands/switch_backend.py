"""manage.py switch_backend: an Org's move to another driver or another Exchange, and the way back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from calendar_backends.registry import UnknownBackend
from orgs.models import Org
from orgs.probing import NobodyToProbe, described, probe
from orgs.provisioning import ProvisioningError, with_connection
from scheduler_api.switching import (
    ChangedMeanwhile,
    NeverSwitched,
    Rehearsal,
    appointments_of,
    other_side,
    rehearse,
    switch,
)
from scheduler_api.tables import table

#: Exit status where something is left to do; 1 and 2 are errors of the command itself.
LEFT = 3


class Command(BaseCommand):
    help = (
        "Move an org to another calendar backend, or to other options: check the new connection, read every "
        "Appointment through it, switch, verify and repair. May be interrupted at any moment and run again. "
        "Exit status: 0 everything agrees, 3 something is left to do, 1 an error, 2 a wrong option."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", help="the org's slug")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument(
            "file",
            nargs="?",
            type=Path,
            help="the org's new backend and options, in a file as for provision",
        )
        where.add_argument("--back", action="store_true", help="to what it had before the last switch")
        where.add_argument("--forth", action="store_true", help="to what it had before it went back")
        parser.add_argument("--dry-run", action="store_true", help="only the check and the comparison")
        parser.add_argument(
            "--force",
            action="store_true",
            help="switch although a check fails, or no Appointment is found",
        )
        parser.add_argument("--mailbox", default="", help="to check with; default: the first active person's")

    def handle(self, *, org: str, dry_run: bool, force: bool, mailbox: str, **options: Any) -> None:
        with _nothing_changed_if_interrupted():
            old = _org(org)
            new = self._new(old, **options)
            self._check(new, mailbox, force=force)
            rehearsal = self._rehearse(new)
        if dry_run:
            self.stdout.write("Nothing was changed.")
            sys.exit(LEFT if rehearsal.found else 0)
        if rehearsal.elsewhere and not force:
            raise CommandError(
                "Not one Appointment is there: is this another Exchange? Nothing was changed. With --force "
                "all are made anew there, and those in the old one stay."
            )
        self._switch(old, new, back=options["back"])
        self._verify(new)

    def _new(self, old: Org, *, file: Path | None, back: bool, forth: bool, **_: Any) -> Org:
        """The Org as it is to be, not saved."""
        unused: list[str] = []
        try:
            if file:
                new, unused = with_connection(file, old)
            else:
                new = other_side(old, newer=forth)
        except (ProvisioningError, NeverSwitched) as error:
            raise CommandError(str(error)) from None
        already = " It is so already: what may be left is done." if new.connection == old.connection else ""
        self.stdout.write(f"1. {old.slug}: from {old.backend} to {new.backend}.{already}")
        if unused:
            self.stdout.write(f"   Of the file this is not used: {', '.join(unused)}.")
        return new

    def _check(self, new: Org, mailbox: str, *, force: bool) -> None:
        self.stdout.write("2. The new connection is checked:")
        try:
            results = probe(new, mailbox)
        except NobodyToProbe as error:
            raise CommandError(f"{error} Nothing was changed.") from None
        except (UnknownBackend, ImportError) as error:
            raise CommandError(str(error)) from None
        for line in described(results):
            self.stdout.write(f"   {line}")
        failed = sum(not result.ok for result in results)
        if failed and not force:
            raise CommandError(f"{failed} of {len(results)} checks failed. Nothing was changed.")

    def _rehearse(self, new: Org) -> Rehearsal:
        self.stdout.write("3. All Appointments are read through it:")
        total, unit = appointments_of(new).count(), f"{new.slug} compared"
        with tqdm(total=total, desc=unit, disable=None, leave=False, file=sys.stderr) as bar:
            rehearsal = rehearse(new, bar.update)
        lines = [(each.event_id, each.mailbox, each.what) for each in rehearsal.found]
        for line in table(("event", "mailbox", "difference"), lines) if lines else ():
            self.stdout.write(f"   {line}")
        self.stdout.write(f"   {rehearsal}")
        return rehearsal

    def _switch(self, old: Org, new: Org, *, back: bool) -> None:
        try:
            switched = switch(old, new, back=back)
        except ChangedMeanwhile as error:
            raise CommandError(f"{error} Nothing was changed by this command.") from None
        way = "--forth" if back else "--back"
        done = f"Switched. switch_backend {old.slug} {way} undoes it." if switched else "Switched before."
        self.stdout.write(f"4. {done}")

    def _verify(self, new: Org) -> None:
        self.stdout.write("5. All Appointments are verified and repaired (resync --verify):")
        try:
            call_command("resync", org=[new.slug], verify=True, stdout=self.stdout, stderr=self.stderr)
        except SystemExit:
            self.stdout.write(
                f"{new.slug} uses {new.backend}. Something is left: resync --loop does what can be done, "
                f"resync --org {new.slug} --verify says what."
            )
            raise
        self.stdout.write(f"{new.slug} uses {new.backend}, and every Appointment agrees.")


def _org(slug: str) -> Org:
    org = Org.objects.filter(slug=slug).first()
    if org is None:
        raise CommandError(f'There is no org "{slug}".')
    if not org.active:
        raise CommandError(f'The org "{slug}" is not active.')
    return org


@contextmanager
def _nothing_changed_if_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError("Interrupted. Nothing was changed.") from None
