from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orgs.crypto import DecryptionError
from orgs.rotation import rotate


class Command(BaseCommand):
    help = (
        "Encrypt everything again with the first key of ENCRYPTION_KEYS. To change the key: put the new one "
        "in front, restart the service, run this, take the old one out, restart."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say how many use an old key")

    def handle(self, *, dry_run: bool, **_: Any) -> None:
        try:
            done = rotate(dry_run=dry_run)
        except DecryptionError as error:
            raise CommandError(str(error)) from None
        verb = "use" if dry_run else "used"
        for rotation in done:
            self.stdout.write(f"{rotation.field}: {rotation.old} of {rotation.rows} {verb} an old key")
