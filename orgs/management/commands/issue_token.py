from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orgs.models import Org, Person
from orgs.tokens import ClientDisabled, issue_token


class Command(BaseCommand):
    help = "Print an access token that acts as a person of an org, and nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", help="the org's slug")
        parser.add_argument("email", help="the person's address")
        parser.add_argument("--days", type=int, default=1, help="how long it is valid (default: %(default)s)")

    def handle(self, *, org: str, email: str, days: int, **_: Any) -> str:
        if not 1 <= days <= 3650:
            raise CommandError("--days: from 1 to 3650.")
        person = _person(_org(org), email)
        try:
            return issue_token(person, lifetime=timedelta(days=days))
        except ClientDisabled:
            raise CommandError(f"The client for issued tokens of {person.email} is disabled.") from None


def _org(slug: str) -> Org:
    org = Org.objects.filter(slug=slug).first()
    if org is None:
        raise CommandError(f'There is no org "{slug}".')
    if not org.active:
        raise CommandError(f'The org "{slug}" is disabled.')
    return org


def _person(org: Org, email: str) -> Person:
    person = Person.objects.filter(org=org, email__iexact=email).first()
    if person is None:
        raise CommandError(f'The org "{org.slug}" has no person with the address "{email}".')
    if not person.active:
        raise CommandError(f"{person.email} is disabled.")
    return person
