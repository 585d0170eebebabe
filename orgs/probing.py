"""Whether an Org's calendars can be reached, and what to do if not."""

from collections.abc import Iterator, Sequence

from calendar_backends.base import CalendarError, Deadline, ProbeResult
from orgs.models import Org, Person

SECONDS = 30.0


class NobodyToProbe(LookupError):
    """The Org has no active person, and no mailbox was named."""


def probe(org: Org, mailbox: str = "") -> list[ProbeResult]:
    """Try the Org's sign-in, free/busy and write access, without changing anything, within 30 seconds.

    ``mailbox`` is tried; by default that of the first active person. Raises NobodyToProbe.
    """
    address = mailbox or _first_address(org)
    try:
        return org.calendar().probe(address, Deadline.after(SECONDS))
    except CalendarError as error:
        return [ProbeResult("connection", error.code, error.detail)]


def described(results: Sequence[ProbeResult]) -> Iterator[str]:
    """A line for each result, in columns: what was tried, the code, the advice."""
    check_width = max(len(result.check) for result in results)
    code_width = max(len(result.code) for result in results)
    for result in results:
        yield f"{result.check:{check_width}}  {result.code:{code_width}}  {result.advice}".rstrip()


def _first_address(org: Org) -> str:
    person = Person.objects.filter(org=org, active=True).order_by("pk").first()
    if person is None:
        raise NobodyToProbe(f'The org "{org.slug}" has no active person: name a mailbox.')
    return person.email
