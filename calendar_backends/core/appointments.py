"""What one mailbox should hold, and how it is recognised there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from calendar_backends.core.texts import same_as_html, same_text, subject_of

#: The named property that marks an Appointment as ours. The same GUID (lower case), name and type
#: (String) through EWS (ExtendedFieldURI) and Graph (singleValueExtendedProperties); never change them.
STAMP_GUID = "7c1d9a52-3b0e-4f68-9d6a-5e2f81c4b7a3"
STAMP_NAME = "SchedulerEvent"
#: Where an Org chose nothing else.
REMINDER_MINUTES = 15
#: What an update may name. "times" is start and end together, and that it is not an all-day entry.
FIELDS = frozenset({"subject", "body", "location", "times", "show_as"})
#: Outlook knows whole minutes only.
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Content:
    """What an Appointment says. Times are aware UTC, end after start.

    ``body`` is plain text, or HTML if ``html`` is set. ``show_as`` is free, tentative or busy. ``reminder``
    is minutes before the start, None for no reminder; it is set on creation and never touched again, because
    it belongs to the person from then on.
    """

    subject: str
    body: str
    location: str
    start: datetime
    end: datetime
    html: bool = False
    show_as: str = "busy"
    reminder: int | None = REMINDER_MINUTES


def differing(old: Content, new: Content) -> frozenset[str]:
    """Which of FIELDS an update from ``old`` to ``new`` has to write."""
    same = {
        "subject": old.subject == new.subject,
        "body": (old.body, old.html) == (new.body, new.html),
        "location": old.location == new.location,
        "times": (old.start, old.end) == (new.start, new.end),
        "show_as": old.show_as == new.show_as,
    }
    return frozenset(field for field in FIELDS if not same[field])


@dataclass(frozen=True)
class Held:
    """An item of a calendar that carries a stamp of ours, as it was read.

    ``ref`` is the driver's own name for it. ``body`` is plain text, whatever it was written as. ``show_as``
    is one of STATUSES. ``start``, ``end`` and ``modified`` (its last change) are aware UTC.
    """

    ref: str
    stamp: str
    subject: str
    body: str
    location: str
    start: datetime
    end: datetime
    show_as: str
    modified: datetime


def by_stamp(held: Iterable[Held]) -> dict[str, list[Held]]:
    """The items of one mailbox by their stamp, in their order: more than one are copies."""
    items: dict[str, list[Held]] = {}
    for item in held:
        items.setdefault(item.stamp, []).append(item)
    return items


def disagrees(held: Held, content: Content) -> frozenset[str]:
    """Which of FIELDS the item does not say as ``content`` does, so that an update has to write them."""
    same = {
        "subject": same_text(held.subject, subject_of(content.subject)),
        "body": (same_as_html if content.html else same_text)(held.body, content.body),
        "location": same_text(held.location, content.location),
        "times": _same_minute(held.start, content.start) and _same_minute(held.end, content.end),
        "show_as": held.show_as == content.show_as,
    }
    return frozenset(field for field in FIELDS if not same[field])


def _same_minute(one: datetime, other: datetime) -> bool:
    return abs(one - other) < _MINUTE


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
    declarations of the Event. ``fields`` is what an UPDATE writes, of FIELDS and not nothing; whatever else
    the item says is left alone.
    """

    verb: Verb
    mailbox: str
    stamp: str
    version: int = 0
    ref: str | None = None
    content: Content | None = None
    fields: frozenset[str] = FIELDS

    def __post_init__(self) -> None:
        if self.verb is Verb.UPDATE and not FIELDS >= self.fields > frozenset():
            raise ValueError(f"An update of {sorted(self.fields)} is none: FIELDS says what can be.")

    @property
    def transaction_id(self) -> str:
        """The same for every try of one change, another one for every other change."""
        return str(uuid5(UUID(STAMP_GUID), f"{self.stamp}|{self.mailbox.lower()}|{self.version}"))


def stamp_of(org: str, event_id: str) -> str:
    """The value of the marking property for an Event of an Org."""
    return f"{org}/{event_id}"


def stamp_matches(stamp: str, wanted: str, *, whole: bool) -> bool:
    """Whether ``stamp`` is exactly ``wanted``, or (not ``whole``) begins with it. Case counts."""
    return stamp == wanted if whole else stamp.startswith(wanted)


def each_once(addresses: Iterable[str]) -> list[str]:
    """The addresses in order, each one once; case does not count and the first spelling stays."""
    first: dict[str, str] = {}
    for address in addresses:
        first.setdefault(address.lower(), address)
    return list(first.values())
