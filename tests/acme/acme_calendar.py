"""A complete third-party driver: this file, and one line that names it.

    CALENDAR_BACKENDS=acme=tests.acme.acme_calendar.AcmeBackend

Acme keeps its calendars in memory. The contract tests and the four calls run against it, so what an author of
a driver has to do is what stands here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from django import forms

from calendar_backends.base import (
    NO_ERROR,
    BusyTime,
    CalendarBackend,
    CalendarError,
    Change,
    Content,
    Deadline,
    Interval,
    ProbeResult,
    SecretField,
    Verb,
)


@dataclass
class Entry:
    when: Interval
    status: str
    stamp: str = ""
    content: Content | None = None


@dataclass
class Site:
    """One Acme server: address -> entry id -> entry."""

    calendars: dict[str, dict[str, Entry]] = field(default_factory=dict)


#: The servers of this process, by host name.
SITES: dict[str, Site] = {}


class AcmeOptions(forms.Form):
    host = forms.CharField(help_text="Name of the Acme server.")
    api_key = SecretField(help_text="A key that may read and write all calendars.")


class AcmeBackend(CalendarBackend):
    label = "Acme Calendar"
    Options = AcmeOptions

    def busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> Mapping[str, list[BusyTime] | CalendarError]:
        return {mailbox: self._busy(mailbox, window) for mailbox in mailboxes}

    def create(self, change: Change, deadline: Deadline) -> str:
        ref = str(uuid4())
        self._put(change, ref, deadline)
        return ref

    def update(self, change: Change, deadline: Deadline) -> str:
        ref = self._existing(change)
        self._put(change, ref, deadline)
        return ref

    def delete(self, change: Change, deadline: Deadline) -> None:
        del self._calendar(change.mailbox)[self._existing(change)]

    def find(self, change: Change, deadline: Deadline) -> list[str]:
        entries = self._calendar(change.mailbox).items()
        return [ref for ref, entry in entries if entry.stamp == change.stamp]

    def probe(self, mailbox: str, deadline: Deadline) -> list[ProbeResult]:
        try:
            self.find(Change(Verb.FIND, mailbox, "probe"), deadline)
        except CalendarError as error:
            return [ProbeResult("calendar", error.code, "Check the address.")]
        return [ProbeResult("calendar", NO_ERROR)]

    def _calendar(self, mailbox: str) -> dict[str, Entry]:
        try:
            return SITES[self.options["host"]].calendars[mailbox.lower()]
        except KeyError:
            raise CalendarError("ErrorMailRecipientNotFound") from None

    def _busy(self, mailbox: str, window: Interval) -> list[BusyTime] | CalendarError:
        try:
            entries = self._calendar(mailbox).values()
        except CalendarError as error:
            return error
        return [BusyTime(entry.when, entry.status) for entry in entries]

    def _existing(self, change: Change) -> str:
        if change.ref is None or change.ref not in self._calendar(change.mailbox):
            raise CalendarError("ErrorItemNotFound")
        return change.ref

    def _put(self, change: Change, ref: str, deadline: Deadline) -> None:
        content = change.content
        if deadline.over or content is None:
            raise CalendarError("ErrorTimeoutExpired")
        entry = Entry(Interval(content.start, content.end), "busy", change.stamp, content)
        self._calendar(change.mailbox)[ref] = entry
