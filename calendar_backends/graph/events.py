"""Appointments: https://learn.microsoft.com/graph/api/resources/event, found by a property stamped on them.

An Appointment never has attendees and is never an online meeting: nobody is invited or told.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from calendar_backends.base import (
    REMINDER_MINUTES,
    STAMP_GUID,
    STAMP_NAME,
    Change,
    Content,
    Deadline,
    Verb,
)
from calendar_backends.graph.client import GraphClient
from calendar_backends.graph.codes import error_of, unusable
from calendar_backends.graph.messages import Answer, Request, user_path

#: https://learn.microsoft.com/graph/api/resources/singlevaluelegacyextendedproperty
STAMP_ID = f"String {{{STAMP_GUID}}} Name {STAMP_NAME}"
LONGEST_SUBJECT = 255
PAGE_SIZE = 50

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def carry_out(client: GraphClient, change: Change, deadline: Deadline) -> list[str]:
    """One change as a request of its own: the items the mailbox now holds for it. Raises CalendarError."""
    answer = client.call(request_of(change), deadline)
    while following := _next_page(client, answer):
        answer = _joined(answer, client.call(following, deadline))
    return outcome(change, answer)


def request_of(change: Change) -> Request:
    """The request that carries a change out. Raises CalendarError ErrorInvalidSmtpAddress."""
    calendar = user_path(change.mailbox, "calendar", "events")
    match change.verb:
        case Verb.CREATE:
            return Request("POST events", "POST", calendar, _new(change), writes=True)
        case Verb.UPDATE:
            return Request("PATCH event", "PATCH", _event(change), _content(change), writes=True)
        case Verb.DELETE:
            return Request("DELETE event", "DELETE", _event(change), writes=True)
        case Verb.FIND:
            return Request("GET events", "GET", f"{calendar}?{_query(change.stamp)}")


def outcome(change: Change, answer: Answer) -> list[str]:
    """What the answer to `request_of` means: the items the mailbox now holds. Raises CalendarError."""
    writes = change.verb is not Verb.FIND
    if answer.status >= 300:
        raise error_of(answer, writes=writes)
    try:
        return _held(change, answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unusable(answer, writes=writes) from error


def _next_page(client: GraphClient, answer: Answer) -> Request | None:
    """The request for what did not fit into a page of events; None after the last."""
    link = answer.content.get("@odata.nextLink")
    if not link:
        return None
    if not str(link).startswith(client.root):
        raise unusable(answer)
    return Request("GET events", "GET", str(link).removeprefix(client.root))


def _joined(answer: Answer, page: Answer) -> Answer:
    """The page with the events of those before it."""
    before, events = answer.content.get("value"), page.content.get("value")
    if not isinstance(before, list) or not isinstance(events, list):
        raise error_of(page) if page.status >= 300 else unusable(page)
    return Answer(page.status, page.headers, {**page.content, "value": before + events})


def _held(change: Change, answer: Answer) -> list[str]:
    """Raises ValueError, KeyError and the like where the answer is not that of the change's request."""
    if change.verb is Verb.DELETE:
        if answer.status != 204:
            raise ValueError("a page, not Graph")
        return []
    if change.verb is Verb.FIND:
        return _found(change.stamp, answer.content["value"])
    return [_id(answer.content)]


def _found(stamp: str, events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Graph compares without regard to case, so the value is compared again; the oldest is the first."""
    ours = [event for event in events if _stamp(event) == stamp]
    ours.sort(key=lambda event: datetime.fromisoformat(event["createdDateTime"]))
    return [_id(event) for event in ours]


def _stamp(event: Mapping[str, Any]) -> str | None:
    properties = event.get("singleValueExtendedProperties") or []
    # The GUID in the id may come back in another case.
    values = (each["value"] for each in properties if each["id"].lower() == STAMP_ID.lower())
    return next(values, None)


def _id(event: Mapping[str, Any]) -> str:
    if not isinstance(event["id"], str) or not event["id"]:
        raise ValueError("no id")
    return event["id"]


def _event(change: Change) -> str:
    return user_path(change.mailbox, "events", change.ref or "")


def _query(stamp: str) -> str:
    name, value = _quoted(STAMP_ID), _quoted(stamp)
    options = {
        "$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq {name} and ep/value eq {value})",
        "$expand": f"singleValueExtendedProperties($filter=id eq {name})",
        "$select": "id,createdDateTime",
        "$top": str(PAGE_SIZE),
    }
    return "&".join(f"{option}={quote(text, safe='')}" for option, text in options.items())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _new(change: Change) -> dict[str, Any]:
    return {
        **_content(change),
        "showAs": "busy",
        "isReminderOn": True,
        "reminderMinutesBeforeStart": REMINDER_MINUTES,
        # Lets Exchange drop a repetition of this very request.
        "transactionId": change.transaction_id,
        "singleValueExtendedProperties": [{"id": STAMP_ID, "value": change.stamp}],
    }


def _content(change: Change) -> dict[str, Any]:
    content = change.content
    if content is None:
        raise ValueError(f"A change of the kind {change.verb} needs content.")
    return {
        "subject": _clean(content.subject)[:LONGEST_SUBJECT],
        "body": {"contentType": "text", "content": _clean(content.body)},
        "location": {"displayName": _clean(content.location)},
        **_times(content),
    }


def _times(content: Content) -> dict[str, Any]:
    times = {"start": content.start, "end": content.end}
    return {
        name: {"dateTime": moment.astimezone(UTC).replace(tzinfo=None).isoformat(), "timeZone": "UTC"}
        for name, moment in times.items()
    }


def _clean(text: str) -> str:
    """Exchange stores no characters that XML 1.0 forbids."""
    return _NOT_IN_XML.sub("\ufffd", text)
