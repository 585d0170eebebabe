"""From the JSON of an event to the fields of an Item, refusing what Exchange refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any

from calendar_backends.simulator.graph.answers import GraphError
from calendar_backends.simulator.graph.odata import property_key
from calendar_backends.simulator.graph.times import parse_date_time_time_zone, parse_time
from calendar_backends.simulator.world import utf16_length

MAX_SUBJECT = 255


def item_fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Item that this event sets, and no others. Raises GraphError 400.

    Extended properties that are not of type String are accepted and not kept: the store has Strings only.
    """
    if event.get("recurrence") is not None:
        raise _invalid("The simulated Exchange keeps single events only.")
    fields: dict[str, Any] = {}
    for name, value in event.items():
        if name in _READERS:
            fields |= _READERS[name](value)
    return fields


def check_times(
    start: datetime | None, end: datetime | None, event: Mapping[str, Any], all_day: bool
) -> None:
    """Refuse an event without both times, one that ends before it starts, and crooked all-day events."""
    if start is None or end is None or end < start:
        raise _invalid("At least one property failed validation.")
    if not all_day:
        return
    for name in {"start", "end"} & event.keys():
        if parse_time(event[name]["dateTime"], UTC).time() != time(0):
            message = f"The Event.{name.title()} property for an all-day event needs to be set to midnight."
            raise _invalid(message)
    if start == end:
        raise _invalid("The duration of an event marked as All day must be at least 24 hours.")


def _subject(value: str | None) -> dict[str, Any]:
    if value and utf16_length(value) > MAX_SUBJECT:
        raise _invalid("At least one property failed validation.")
    return {"subject": value or ""}


def _body(value: Mapping[str, Any] | None) -> dict[str, Any]:
    body = value or {}
    return {"body": body.get("content") or "", "body_type": body.get("contentType") or "text"}


def _location(value: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"location": (value or {}).get("displayName") or ""}


def _time(field: str) -> Callable[[Any], dict[str, Any]]:
    def read(value: Mapping[str, Any] | None) -> dict[str, Any]:
        if not value or not value.get("dateTime"):
            raise _invalid("At least one property failed validation.")
        return {field: parse_date_time_time_zone(value)}

    return read


def _plain(field: str) -> Callable[[Any], dict[str, Any]]:
    def read(value: Any) -> dict[str, Any]:
        return {} if value is None else {field: value}

    return read


def _sensitivity(value: str | None) -> dict[str, Any]:
    return {"is_private": value == "private"}


def _attendees(value: list[dict[str, Any]] | None) -> dict[str, Any]:
    addresses = [(attendee.get("emailAddress") or {}).get("address") for attendee in value or ()]
    if not all(addresses):
        raise _invalid("At least one recipient isn't valid.")
    return {"attendees": addresses}


def _properties(value: list[dict[str, Any]] | None) -> dict[str, Any]:
    found: dict[tuple[str, str], str] = {}
    for entry in value or ():
        key = property_key(entry.get("id") or "")
        if key is not None:
            found[key] = entry.get("value") or ""
    return {"properties": found}


_READERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "subject": _subject,
    "body": _body,
    "location": _location,
    "start": _time("start"),
    "end": _time("end"),
    "showAs": _plain("show_as"),
    "isAllDay": _plain("is_all_day"),
    "isReminderOn": _plain("reminder"),
    "reminderMinutesBeforeStart": _plain("reminder_minutes"),
    "categories": _plain("categories"),
    "transactionId": _plain("transaction_id"),
    "sensitivity": _sensitivity,
    "attendees": _attendees,
    "singleValueExtendedProperties": _properties,
}


def _invalid(message: str) -> GraphError:
    # https://github.com/microsoftgraph/microsoft-graph-docs/issues/7919
    return GraphError(400, "ErrorPropertyValidationFailure", message)
