from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from calendar_backends.registry import UnknownBackend
from orgs.models import Org
from orgs.probing import NobodyToProbe, described, probe


class Command(BaseCommand):
    help = "Try an org's calendars without changing anything. Fails if something does not work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", help="the org's slug")
        parser.add_argument("--mailbox", default="", help="default: the first active person's")

    def handle(self, *, org: str, mailbox: str, **_: Any) -> None:
        try:
            results = probe(Org.objects.get(slug=org), mailbox)
        except Org.DoesNotExist:
            raise CommandError(f'There is no org "{org}".') from None
        except (NobodyToProbe, UnknownBackend) as error:
            raise CommandError(str(error)) from None
        for line in described(results):
            self.stdout.write(line)
        if failed := [result for result in results if not result.ok]:
            raise CommandError(f"{len(failed)} of {len(results)} checks failed.")
