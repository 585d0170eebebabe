"""An item as Graph's event resource, https://learn.microsoft.com/graph/api/resources/event."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from calendar_backends.simulator.graph.invocation import Invocation
from calendar_backends.simulator.graph.times import seven_digits
from calendar_backends.simulator.plain import as_html, as_text
from calendar_backends.simulator.world import Item


def etag(item: Item) -> str:
    return f'W/"{item.change_key}"'


def event_json(
    item: Item, invocation: Invocation, properties: Collection[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The event as the caller's Prefer header wants it, with those extended properties that were asked for.

    `properties` are (GUID in lower case, name). Without them an answer never has any.
    """
    event = _identity(item, invocation) | _content(item, invocation) | _people(item, invocation)
    if item.transaction_id is not None:
        event["transactionId"] = item.transaction_id
    found = [key for key in properties if key in item.properties]
    if found:
        event["singleValueExtendedProperties"] = [
            {"id": f"String {{{guid}}} Name {name}", "value": item.properties[guid, name]}
            for guid, name in found
        ]
    return event


def _identity(item: Item, invocation: Invocation) -> dict[str, Any]:
    return {
        "@odata.etag": etag(item),
        "id": invocation.id_of(item),
        "createdDateTime": _stamp(item.created),
        "lastModifiedDateTime": _stamp(item.modified),
        "changeKey": item.change_key,
        "iCalUId": f"040000008200E00074C5B7101A82E008{item.immutable_id[-32:].encode().hex().upper()}",
        "type": "seriesMaster" if item.is_series else "singleInstance",
        "seriesMasterId": None,
        "recurrence": _recurrence(item) if item.is_series else None,
    }


def _recurrence(item: Item) -> dict[str, Any]:
    return {
        "pattern": {"type": "daily", "interval": 1},
        "range": {"type": "noEnd", "startDate": item.start.date().isoformat(), "recurrenceTimeZone": "UTC"},
    }


def _content(item: Item, invocation: Invocation) -> dict[str, Any]:
    return {
        "subject": item.subject,
        "bodyPreview": as_text(item)[:255],
        "body": _body(item, invocation.wants_text),
        "start": _time(item.start, invocation),
        "end": _time(item.end, invocation),
        "originalStartTimeZone": "UTC",
        "originalEndTimeZone": "UTC",
        "isAllDay": item.is_all_day,
        "location": _location(item),
        "locations": [_location(item)] if item.location else [],
        "showAs": item.show_as,
        "sensitivity": "private" if item.is_private else "normal",
        "importance": "normal",
        "categories": item.categories,
        "isReminderOn": item.reminder,
        "reminderMinutesBeforeStart": item.reminder_minutes,
        "hasAttachments": False,
    }


def _people(item: Item, invocation: Invocation) -> dict[str, Any]:
    owner = invocation.mailbox
    return {
        "organizer": {"emailAddress": {"name": owner.name or owner.address, "address": owner.address}},
        "attendees": [_attendee(address) for address in item.attendees],
        "isOrganizer": True,
        "isCancelled": False,
        "isDraft": False,
        "isOnlineMeeting": False,
        "onlineMeetingProvider": "unknown",
        "onlineMeeting": None,
        "responseRequested": True,
        "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"},
        "allowNewTimeProposals": True,
        "hideAttendees": False,
    }


def _attendee(address: str) -> dict[str, Any]:
    status = {"response": "none", "time": "0001-01-01T00:00:00Z"}
    return {"type": "required", "status": status, "emailAddress": {"name": address, "address": address}}


def _location(item: Item) -> dict[str, str]:
    return {"displayName": item.location, "locationType": "default", "uniqueIdType": "unknown"}


def _time(moment: datetime, invocation: Invocation) -> dict[str, str]:
    return {
        "dateTime": seven_digits(moment, invocation.time_zone),
        "timeZone": invocation.time_zone_name,
    }


def _stamp(moment: datetime) -> str:
    return seven_digits(moment) + "Z"


def _body(item: Item, wants_text: bool) -> dict[str, str]:
    """HTML unless Prefer: outlook.body-content-type="text", whatever was stored."""
    if wants_text:
        return {"contentType": "text", "content": as_text(item)}
    return {"contentType": "html", "content": as_html(item)}
