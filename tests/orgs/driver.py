"""A driver for these tests: it is never asked for anything but its options and its probe."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from calendar_backends.base import (
    NO_ERROR,
    BusyTime,
    CalendarBackend,
    CalendarError,
    Change,
    Deadline,
    Held,
    Interval,
    ProbeResult,
    SecretField,
)


class PaperOptions(forms.Form):
    endpoint = forms.URLField(assume_scheme="https")
    auth_type = forms.ChoiceField(choices=[("basic", "Basic"), ("ntlm", "NTLM")], initial="basic")
    username = forms.CharField()
    password = SecretField()
    ca_bundle = forms.CharField(required=False, widget=forms.Textarea)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("username") == cleaned.get("password") is not None:
            self.add_error("password", "Not the user name.")
        return cleaned


class PaperBackend(CalendarBackend):
    label = "Paper"
    Options: ClassVar[type[forms.Form]] = PaperOptions

    def busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> Mapping[str, list[BusyTime] | CalendarError]:
        raise NotImplementedError

    def create(self, change: Change, deadline: Deadline) -> str:
        raise NotImplementedError

    update = create

    def delete(self, change: Change, deadline: Deadline) -> None:
        raise NotImplementedError

    def find(self, change: Change, deadline: Deadline) -> list[str]:
        raise NotImplementedError

    def held(self, mailbox: str, stamp: str, deadline: Deadline, *, whole: bool = True) -> list[Held]:
        raise NotImplementedError

    def probe(self, mailbox: str, deadline: Deadline) -> list[ProbeResult]:
        if mailbox.startswith("nobody"):
            return [ProbeResult("free/busy", "ErrorNonExistentMailbox", f"Create {mailbox}.")]
        if mailbox.startswith("down"):
            raise CalendarError("ErrorConnectionFailed", "refused")
        return [ProbeResult("sign-in", NO_ERROR), ProbeResult(f"free/busy of {mailbox}", NO_ERROR)]


class OtherOptions(forms.Form):
    token = SecretField()
    private_key = SecretField(required=False, widget=forms.Textarea)


class OtherBackend(PaperBackend):
    label = "Other"
    Options = OtherOptions
