"""The contract between the service and a calendar system, and all that the author of a driver needs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import BoundedSemaphore
from typing import Any, ClassVar

from django import forms
from django.conf import settings

from calendar_backends.core.appointments import (
    FIELDS,
    REMINDER_MINUTES,
    STAMP_GUID,
    STAMP_NAME,
    Change,
    Content,
    Held,
    Verb,
    differing,
    disagrees,
    stamp_matches,
)
from calendar_backends.core.correlation import correlation_id
from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import NO_ERROR, CalendarError
from calendar_backends.core.fanout import fan_out
from calendar_backends.core.intervals import STATUSES, BusyTime, Interval
from calendar_backends.core.memory import Recent, Throttles
from calendar_backends.core.texts import clean, subject_of

__all__ = [
    "FIELDS",
    "NO_ERROR",
    "REMINDER_MINUTES",
    "STAMP_GUID",
    "STAMP_NAME",
    "STATUSES",
    "BusyTime",
    "CalendarBackend",
    "CalendarError",
    "Change",
    "Content",
    "Deadline",
    "Held",
    "Interval",
    "ProbeResult",
    "SecretField",
    "Throttles",
    "Verb",
    "clean",
    "correlation_id",
    "differing",
    "disagrees",
    "fan_out",
    "share",
    "stamp_matches",
    "subject_of",
]


@dataclass(frozen=True)
class ProbeResult:
    """One thing that was tried: what, with which response code, and what to do where it failed."""

    check: str
    code: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        return self.code == NO_ERROR


def share(limit: int) -> int:
    """This process's share of what one Exchange may be asked at once by all of them."""
    processes: int = settings.PROCESSES
    return max(1, limit // processes)


class SecretField(forms.CharField):
    """An option that is written and never shown: a password, a private key."""

    widget = forms.PasswordInput


class CalendarBackend(ABC):
    """One Org's way to its calendars. One object per Org and process; its methods run in many threads.

    What goes wrong for one mailbox is a value; a method raises CalendarError only when nothing at all
    could be done, and the caller then gives that code to every mailbox it asked about.
    """

    #: How the admin names the driver.
    label: ClassVar[str]
    #: What an Org must fill in: text fields (choices and SecretField included), stored encrypted as a whole.
    Options: ClassVar[type[forms.Form]]
    #: How much one call of busy_times may ask for; the service asks again for the rest.
    most_mailboxes: ClassVar[int] = 20
    longest_window: timedelta = timedelta(days=31)
    #: Calls in flight at once for one Org, over all processes.
    at_once: ClassVar[int] = 10
    #: Writes, likewise. Each is on the budget of the mailbox that it is for.
    writes_at_once: ClassVar[int] = 40

    def __init__(self, options: Mapping[str, Any]) -> None:
        """``options`` is the cleaned data of an Options form. No call is made here."""
        self.options = options
        #: Names these options among all, without giving them away.
        self.fingerprint = ""
        #: Reads in flight in this process.
        self.reading = BoundedSemaphore(share(self.at_once))
        #: Those of them that may wait for a mailbox that is known to be slow.
        self.waiting = BoundedSemaphore(max(1, share(self.at_once) // 2))
        #: Until when Exchange wants to be left alone; the service shares it between processes.
        self.throttles = Throttles()
        #: Mailboxes that did not answer lately.
        self.slow = Recent(seconds=600)

    @abstractmethod
    def busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> Mapping[str, list[BusyTime] | CalendarError]:
        """When the mailboxes (at most ``most_mailboxes``) have entries that touch ``window`` (at most
        ``longest_window`` long): one request, never repeated here.

        Answers for every one of ``mailboxes``, under the spelling it was asked with. Entries may reach
        beyond the window and may overlap. Unknown is a CalendarError, never an empty list. Raises
        CalendarError where the request as a whole came to nothing; the service then asks again in smaller
        parts or later, as the code says (core/inquiry.py).
        """

    @abstractmethod
    def create(self, change: Change, deadline: Deadline) -> str:
        """Put a plain Appointment, stamped with ``change.stamp``, into the calendar; its reference.

        No attendees, no invitation. Never repeats a request whose outcome is unknown: that raises
        CalendarError with ``uncertain``.
        """

    @abstractmethod
    def update(self, change: Change, deadline: Deadline) -> str:
        """Make the item ``change.ref`` say ``change.content``; its reference from now on.

        Only ``change.fields`` is written, and whatever else the item says is left alone; its reminder always.
        Raises ErrorItemNotFound where it is gone.
        """

    @abstractmethod
    def delete(self, change: Change, deadline: Deadline) -> None:
        """Move the item ``change.ref`` to Deleted Items. Raises ErrorItemNotFound where it is gone."""

    @abstractmethod
    def find(self, change: Change, deadline: Deadline) -> list[str]:
        """References of the calendar's items that carry exactly ``change.stamp``, the oldest first."""

    @abstractmethod
    def held(self, mailbox: str, stamp: str, deadline: Deadline, *, whole: bool = True) -> list[Held]:
        """What the calendar's items say whose stamp is ``stamp`` or, where not ``whole``, begins with it.

        The oldest first, each once, all pages. ``stamp_matches`` decides, whatever the calendar system
        thinks of case. Items that a person has edited, made a meeting or a series of are still ours.
        Raises CalendarError.
        """

    @abstractmethod
    def probe(self, mailbox: str, deadline: Deadline) -> list[ProbeResult]:
        """What works with these options, tried without changing anything.

        In this order: sign-in, free/busy of ``mailbox``, write access to ``mailbox``.
        """

    def write(
        self, changes: Sequence[Change], deadline: Deadline
    ) -> Mapping[Change, Sequence[str] | CalendarError]:
        """Carry the changes out, side by side; for each the items the mailbox now holds, or why not.

        Here every change is one call of a verb; a driver that can send several at once overrides it.
        """
        return fan_out(
            partial(self.write_one, deadline=deadline), changes, deadline, at_once=share(self.writes_at_once)
        )

    def write_one(self, change: Change, deadline: Deadline) -> Sequence[str]:
        match change.verb:
            case Verb.CREATE:
                return [self.create(change, deadline)]
            case Verb.UPDATE:
                return [self.update(change, deadline)]
            case Verb.DELETE:
                self.delete(change, deadline)
                return []
            case Verb.FIND:
                return self.find(change, deadline)

    def close(self) -> None:  # noqa: B027  a driver without connections has nothing to do
        """Give back connections. The object is not used afterwards."""
