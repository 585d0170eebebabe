from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from orgs.models import Org
from scheduler_api.purging import Kind, Purge, Tally, contents, tombstones

LONGEST = 36_500


class Command(BaseCommand):
    help = (
        "Forget: remove subject, body, place and times of Events that ended long ago, and delete Events that "
        "were cancelled long ago. Calendars are not touched. It may run beside the service (once a day, for "
        "example) and be interrupted at any moment. With a deleted Event the last sequence that Salesforce "
        "gave it is forgotten: a call for it that comes later still is taken for a new booking."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=90, help="since the end of an Event (%(default)s)")
        parser.add_argument("--tombstones", type=int, default=30, help="days since its Delete (%(default)s)")
        parser.add_argument("--org", metavar="SLUG", help="only this org's")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be removed, remove nothing"
        )

    def handle(self, *, days: int, org: str | None, dry_run: bool, **options: Any) -> None:
        purges = [contents(_ago("--days", days)), tombstones(_ago("--tombstones", options["tombstones"]))]
        if org is not None:
            purges = [purge.of(_org(org)) for purge in purges]
        tally: Tally = Counter()
        try:
            for purge in purges:
                _carry_out(purge, tally, dry_run)
        except KeyboardInterrupt:
            raise CommandError("Interrupted; the rest is left for the next time.", returncode=130) from None
        finally:
            self._report(tally, dry_run)

    def _report(self, tally: Tally, dry_run: bool) -> None:
        for slug in sorted({slug for slug, _ in tally}):
            of_org = {kind: tally[slug, kind] for kind in Kind if tally[slug, kind]}
            self.stdout.write(f"{slug}: {_listed(of_org.items())}")
        self.stdout.write(f"all: {_listed((kind, _total(tally, kind)) for kind in Kind)}")
        if dry_run:
            self.stdout.write("dry run: nothing was changed")


def _carry_out(purge: Purge, tally: Tally, dry_run: bool) -> None:
    pks = purge.pks()
    with tqdm(total=len(pks), unit="event", disable=None) as bar:
        for count, became in purge.carry_out(pks, dry_run=dry_run):
            tally.update(became)
            bar.update(count)


def _listed(counts: Iterable[tuple[Kind, int]]) -> str:
    return ", ".join(f"{kind}: {count}" for kind, count in counts)


def _total(tally: Tally, wanted: Kind) -> int:
    return sum(count for (_, kind), count in tally.items() if kind is wanted)


def _ago(option: str, days: int) -> datetime:
    if not 0 <= days <= LONGEST:
        raise CommandError(f"{option}: from 0 to {LONGEST}.")
    return timezone.now() - timedelta(days=days)


def _org(slug: str) -> Org:
    org = Org.objects.filter(slug=slug).first()
    if org is None:
        raise CommandError(f'There is no org "{slug}".')
    return org
