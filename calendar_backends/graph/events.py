"""Appointments: https://learn.microsoft.com/graph/api/resources/event, recognised by a stamped property.

An Appointment never has attendees and is never an online meeting: nobody is invited or told.
"""

from datetime import UTC
from typing import Any

from calendar_backends.base import Change, Content, Deadline, Verb, clean, subject_of
from calendar_backends.graph import found
from calendar_backends.graph.client import GraphClient
from calendar_backends.graph.codes import error_of, unusable
from calendar_backends.graph.messages import Answer, Request, user_path


def carry_out(client: GraphClient, change: Change, deadline: Deadline) -> list[str]:
    """One change as a request of its own: the items the mailbox now holds for it. Raises CalendarError."""
    return outcome(change, found.all_pages(client, request_of(change), deadline))


def request_of(change: Change) -> Request:
    """The request that carries a change out. Raises CalendarError ErrorInvalidSmtpAddress."""
    match change.verb:
        case Verb.CREATE:
            path = user_path(change.mailbox, "calendar", "events")
            return Request("POST events", "POST", path, _new(change), writes=True)
        case Verb.UPDATE:
            return Request("PATCH event", "PATCH", _event(change), _changed(change), writes=True)
        case Verb.DELETE:
            return Request("DELETE event", "DELETE", _event(change), writes=True)
        case Verb.FIND:
            return found.search(change.mailbox, change.stamp)


def outcome(change: Change, answer: Answer) -> list[str]:
    """What the answer to `request_of` means: the items the mailbox now holds. Raises CalendarError."""
    writes = change.verb is not Verb.FIND
    if answer.status >= 300:
        raise error_of(answer, writes=writes)
    try:
        return _refs(change, answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unusable(answer, writes=writes) from error


def _refs(change: Change, answer: Answer) -> list[str]:
    """Raises ValueError, KeyError and the like where the answer is not that of the change's request."""
    if change.verb is Verb.DELETE:
        if answer.status != 204:
            raise ValueError("a page, not Graph")
        return []
    if change.verb is Verb.FIND:
        return found.refs(answer, change.stamp)
    return [found.id_of(answer.content)]


def _event(change: Change) -> str:
    return user_path(change.mailbox, "events", change.ref or "")


def _new(change: Change) -> dict[str, Any]:
    content = _content_of(change)
    return {
        **_parts(content),
        **_reminder(content.reminder),
        # Lets Exchange drop a repetition of this very request.
        "transactionId": change.transaction_id,
        "singleValueExtendedProperties": [{"id": found.STAMP_ID, "value": clean(change.stamp)}],
    }


def _changed(change: Change) -> dict[str, Any]:
    parts = _parts(_content_of(change))
    return {name: parts[name] for field in sorted(change.fields) for name in _NAMES[field]}


def _content_of(change: Change) -> Content:
    if change.content is None:
        raise ValueError(f"A change of the kind {change.verb} needs content.")
    return change.content


#: What each of FIELDS is made of.
_NAMES = {
    "subject": ("subject",),
    "body": ("body",),
    "location": ("location",),
    "times": ("start", "end", "isAllDay"),
    "show_as": ("showAs",),
}


def _parts(content: Content) -> dict[str, Any]:
    return {
        "subject": subject_of(content.subject),
        "body": {"contentType": "html" if content.html else "text", "content": clean(content.body)},
        "location": {"displayName": clean(content.location)},
        **_times(content),
        "isAllDay": False,
        "showAs": content.show_as,
    }


def _times(content: Content) -> dict[str, Any]:
    times = {"start": content.start, "end": content.end}
    return {
        name: {"dateTime": moment.astimezone(UTC).replace(tzinfo=None).isoformat(), "timeZone": "UTC"}
        for name, moment in times.items()
    }


def _reminder(minutes: int | None) -> dict[str, Any]:
    if minutes is None:
        return {"isReminderOn": False}
    return {"isReminderOn": True, "reminderMinutesBeforeStart": minutes}
