"""What one mailbox should hold, and how it is recognised there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

#: The named property that marks an Appointment as ours. The same GUID (lower case), name and type
#: (String) through EWS (ExtendedFieldURI) and Graph (singleValueExtendedProperties); never change them.
STAMP_GUID = "7c1d9a52-3b0e-4f68-9d6a-5e2f81c4b7a3"
STAMP_NAME = "SchedulerEvent"
#: Set on creation and never touched again: the reminder belongs to the person from then on.
REMINDER_MINUTES = 15


@dataclass(frozen=True)
class Content:
    """What an Appointment says. Times are aware UTC, end after start; the body is plain text."""

    subject: str
    body: str
    location: str
    start: datetime
    end: datetime


class Verb(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    FIND = "find"


@dataclass(frozen=True)
class Change:
    """One call to one mailbox.

    ``stamp`` is the value of the marking property ("org/event id"). ``ref`` is the driver's own name
    for the item (UPDATE and DELETE). ``content`` is set for CREATE and UPDATE. ``version`` counts the
    declarations of the Event.
    """

    verb: Verb
    mailbox: str
    stamp: str
    version: int = 0
    ref: str | None = None
    content: Content | None = None

    @property
    def transaction_id(self) -> str:
        """The same for every try of one change, another one for every other change."""
        return str(uuid5(UUID(STAMP_GUID), f"{self.stamp}|{self.mailbox.lower()}|{self.version}"))


def stamp_of(org: str, event_id: str) -> str:
    """The value of the marking property for an Event of an Org."""
    return f"{org}/{event_id}"


def each_once(addresses: Iterable[str]) -> list[str]:
    """The addresses in order, each one once; case does not count and the first spelling stays."""
    first: dict[str, str] = {}
    for address in addresses:
        first.setdefault(address.lower(), address)
    return list(first.values())
