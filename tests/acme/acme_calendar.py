"""A complete third-party driver: this file, and one line that names it.

    CALENDAR_BACKENDS=acme=tests.acme.acme_calendar.AcmeBackend

Acme keeps its calendars in memory. The contract tests and the four calls run against it, so what an author of
a driver has to do is what stands here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
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
    Held,
    Interval,
    ProbeResult,
    SecretField,
    Verb,
    stamp_matches,
)

#: What Acme calls the fields of an update that are not one field here.
PARTS = {"times": ("start", "end"), "body": ("body", "html")}


@dataclass
class Entry:
    content: Content
    stamp: str = ""
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))


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
        self._put(change, ref, self._content(change, deadline))
        return ref

    def update(self, change: Change, deadline: Deadline) -> str:
        ref, new = self._existing(change), self._content(change, deadline)
        names = [name for each in change.fields for name in PARTS.get(each, (each,))]
        old = self._calendar(change.mailbox)[ref].content
        self._put(change, ref, replace(old, **{name: getattr(new, name) for name in names}))
        return ref

    def delete(self, change: Change, deadline: Deadline) -> None:
        del self._calendar(change.mailbox)[self._existing(change)]

    def find(self, change: Change, deadline: Deadline) -> list[str]:
        return [item.ref for item in self.held(change.mailbox, change.stamp, deadline)]

    def held(self, mailbox: str, stamp: str, deadline: Deadline, *, whole: bool = True) -> list[Held]:
        entries = self._calendar(mailbox).items()
        return [_held(ref, entry) for ref, entry in entries if stamp_matches(entry.stamp, stamp, whole=whole)]

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
        said = [entry.content for entry in entries]
        return [BusyTime(Interval(content.start, content.end), content.show_as) for content in said]

    def _existing(self, change: Change) -> str:
        if change.ref is None or change.ref not in self._calendar(change.mailbox):
            raise CalendarError("ErrorItemNotFound")
        return change.ref

    def _content(self, change: Change, deadline: Deadline) -> Content:
        if deadline.over or change.content is None:
            raise CalendarError("ErrorTimeoutExpired")
        return change.content

    def _put(self, change: Change, ref: str, content: Content) -> None:
        self._calendar(change.mailbox)[ref] = Entry(content, change.stamp)


def _held(ref: str, entry: Entry) -> Held:
    said = entry.content
    body = re.sub("<[^>]*>", "", said.body) if said.html else said.body
    return Held(
        ref,
        entry.stamp,
        said.subject,
        body,
        said.location,
        said.start,
        said.end,
        said.show_as,
        entry.modified,
    )
