"""Events: create, read, change, delete, find. https://learn.microsoft.com/graph/api/resources/event.

The page of each operation: calendar-post-events, event-get, event-update, event-delete, user-list-events,
user-list-calendarview.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any
from urllib.parse import quote

from calendar_backends.simulator.graph.answers import GraphError, json_response
from calendar_backends.simulator.graph.event_fields import check_times, item_fields
from calendar_backends.simulator.graph.event_json import etag, event_json
from calendar_backends.simulator.graph.invocation import Invocation
from calendar_backends.simulator.graph.odata import Options, options
from calendar_backends.simulator.graph.times import parse_time
from calendar_backends.simulator.wire import Response
from calendar_backends.simulator.world import DELETED_ITEMS, RECOVERABLE_ITEMS, Item

_EVENT = "microsoft.graph.event"
_ID = re.compile(r"[\w+/=-]{4,}", re.ASCII)


def create(invocation: Invocation) -> Response:
    """201 with the event. The same transactionId again is answered with the event that is there already.

    The replay was observed by a support engineer of the vendor: https://blog.rykoma.net/2020/10/05/1559.
    """
    event = invocation.json(_EVENT)
    fields: dict[str, Any] = {"subject": "", "reminder": True} | item_fields(event)
    check_times(fields.get("start"), fields.get("end"), event, fields.get("is_all_day", False))
    with invocation.mailbox.lock:
        item = invocation.mailbox.of_transaction(fields.get("transaction_id") or "")
        if item is None:
            item = invocation.mailbox.create(Item(**fields))
            _note_mail(invocation, item, event)
        content = _entity(item, invocation)
    path = f"/users('{quote(invocation.mailbox.address)}')/events('{quote(content['id'])}')"
    location = {"Location": f"{invocation.exchange.url}/v1.0{path}"}
    return json_response(201, content, location | invocation.applied_preferences)


def read(invocation: Invocation) -> Response:
    """200 with the event, its extended properties only if they are expanded."""
    wanted = options(invocation.request.query)
    with invocation.mailbox.lock:
        content = _entity(_item(invocation), invocation, wanted)
    return json_response(200, content, invocation.applied_preferences)


def update(invocation: Invocation) -> Response:
    """200 with the changed event; what the body does not name stays as it was."""
    event = invocation.json(_EVENT)
    fields = item_fields(event)
    with invocation.mailbox.lock:
        item = _item(invocation)
        _check_change(item, fields, event)
        if "properties" in fields:
            fields["properties"] = item.properties | fields["properties"]
        was_meeting = item.is_meeting
        invocation.mailbox.update(item, **fields)
        _note_mail(invocation, item, event, was_meeting)
        content = _entity(item, invocation)
    return json_response(200, content, invocation.applied_preferences)


def delete(invocation: Invocation) -> Response:
    """204; the item goes to Deleted Items. Attendees, if there are any, are told."""
    with invocation.mailbox.lock:
        item = _item(invocation)
        invocation.mailbox.delete(item)
        _note_mail(invocation, item, {})
    return Response(204)


def list_events(invocation: Invocation) -> Response:
    """A page of the calendar's events, all of them or those with a certain extended property."""
    wanted = options(invocation.request.query)
    items = invocation.mailbox.calendar_items()
    if wanted.filter is not None:
        items = [item for item in items if wanted.filter.matches(item)]
    items.sort(key=lambda item: item.start, reverse=wanted.descending)
    return _page(items, wanted, invocation)


def calendar_view(invocation: Invocation) -> Response:
    """A page of the events that overlap [startDateTime, endDateTime), whose own offsets count."""
    wanted = options(invocation.request.query)
    if wanted.filter is not None:
        # https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2375
        raise GraphError(500, "ErrorInternalServerError", "An internal server error occurred.")
    if not wanted.raw.get("startDateTime") or not wanted.raw.get("endDateTime"):
        message = "This request requires a time window specified by the query string parameters "
        raise GraphError(400, "ErrorInvalidParameter", message + "StartDateTime and EndDateTime.")
    start, end = (parse_time(wanted.raw[name], UTC) for name in ("startDateTime", "endDateTime"))
    items = invocation.mailbox.busy(start, end)
    return _page(items[::-1] if wanted.descending else items, wanted, invocation)


def calendar(invocation: Invocation) -> Response:
    """The default calendar: whether the app may read this mailbox, at the least cost."""
    owner = invocation.mailbox
    content = {
        "@odata.context": _context(invocation, "calendar/$entity"),
        "id": f"AAMkAG{owner.address.encode().hex()}=",
        "name": "Calendar",
        "isDefaultCalendar": True,
        "canEdit": True,
        "owner": {"name": owner.name or owner.address, "address": owner.address},
    }
    return json_response(200, content)


def _page(items: Sequence[Item], wanted: Options, invocation: Invocation) -> Response:
    shown = items[wanted.skip : wanted.skip + wanted.top]
    content: dict[str, Any] = {
        "@odata.context": _context(invocation, "events"),
        "value": [_selected(event_json(item, invocation, wanted.expand), wanted) for item in shown],
    }
    if len(items) > wanted.skip + wanted.top:
        content["@odata.nextLink"] = (
            f"{invocation.exchange.url}{invocation.request.path}?{wanted.next_query()}"
        )
    return json_response(200, content, invocation.applied_preferences)


def _entity(item: Item, invocation: Invocation, wanted: Options | None = None) -> dict[str, Any]:
    event = event_json(item, invocation, wanted.expand if wanted else ())
    return {"@odata.context": _context(invocation, "events/$entity")} | (
        _selected(event, wanted) if wanted else event
    )


def _context(invocation: Invocation, what: str) -> str:
    user = quote(invocation.mailbox.address)
    return f"{invocation.exchange.url}/v1.0/$metadata#users('{user}')/{what}"


def _selected(event: dict[str, Any], wanted: Options) -> dict[str, Any]:
    if not wanted.select:
        return event
    always = {"@odata.etag", "id", "singleValueExtendedProperties", *wanted.select}
    return {name: value for name, value in event.items() if name in always}


def _item(invocation: Invocation) -> Item:
    """The event of the path, in any calendar. Raises GraphError 400, 404, or 412 if If-Match does not."""
    _check_id(invocation.event_id)
    item = invocation.mailbox.find(invocation.event_id)
    if item is None or item.folder in (DELETED_ITEMS, RECOVERABLE_ITEMS):
        raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    if invocation.request.headers.get("if-match", "*") not in ("*", etag(item)):
        message = "The send or update operation could not be performed because the change key passed in the "
        raise GraphError(
            412, "ErrorIrresolvableConflict", message + "request does not match the current one."
        )
    return item


def _check_id(text: str) -> None:
    if not _ID.fullmatch(text):
        raise GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")


def _check_change(item: Item, fields: dict[str, Any], event: dict[str, Any]) -> None:
    if fields.get("transaction_id", item.transaction_id) != item.transaction_id:
        message = "The transactionId of an event cannot be changed after its creation."
        raise GraphError(400, "ErrorPropertyValidationFailure", message)
    start, end = fields.get("start", item.start), fields.get("end", item.end)
    check_times(start, end, event, fields.get("is_all_day", item.is_all_day))


def _note_mail(
    invocation: Invocation, item: Item, event: Mapping[str, Any], was_meeting: bool = False
) -> None:
    """Record what would mail somebody: a meeting, now or before, and a Teams meeting."""
    if item.is_meeting or was_meeting or event.get("isOnlineMeeting"):
        invocation.mailbox.record_invitation(item, invocation.operation)
