from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orgs.provisioning import ProvisioningError, provision


class Command(BaseCommand):
    help = "Make orgs, users and OAuth clients what a TOML file says. It can be run again at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
        parser.add_argument("--prune", action="store_true", help="remove what the file does not name")

    def handle(self, *, file: Path, dry_run: bool, prune: bool, **_: Any) -> None:
        try:
            changes = provision(file, dry_run=dry_run, prune=prune)
        except ProvisioningError as error:
            raise CommandError(str(error)) from None
        for change in changes:
            self.stdout.write(str(change))
        if not changes:
            self.stdout.write("nothing to do")
        elif dry_run:
            self.stdout.write("dry run: nothing was changed")
