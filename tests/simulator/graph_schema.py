"""What a Graph request or answer may look like, as JSON Schema.

Cut by hand from the v1.0 CSDL, https://graph.microsoft.com/v1.0/$metadata, to the types that calendar
requests use. Requests are strict: no property that a type lacks, no text for a boolean, enumerations in the
CSDL's case. Answers are loose: the service sends more than the CSDL says. Annotations (names with an @) are
always allowed.
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from calendar_backends.simulator.server import Seen

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
NULLABLE_STRING: Schema = {"type": ["string", "null"]}
BOOLEAN: Schema = {"type": "boolean"}
INT32: Schema = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
UTC_OFFSET_FREE = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?$"
SEVEN_DIGITS = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}$"


def _object(properties: dict[str, Schema], *required: str, closed: bool = True) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "required": list(required)}
    if closed:
        schema |= {"patternProperties": {"@": {}}, "additionalProperties": False}
    return schema


def _array(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items, **limits}


def _enum(*members: str) -> Schema:
    return {"enum": list(members)}


def _time(pattern: str) -> Schema:
    return _object(
        {"dateTime": {"type": "string", "pattern": pattern}, "timeZone": STRING}, "dateTime", "timeZone"
    )


FREE_BUSY_STATUS = _enum("unknown", "free", "tentative", "busy", "oof", "workingElsewhere")
EMAIL_ADDRESS = _object({"name": NULLABLE_STRING, "address": STRING}, "address")
EXTENDED_PROPERTY = _object({"id": STRING, "value": STRING}, "id", "value")
LOCATION = _object({"displayName": STRING, "locationType": STRING, "uniqueIdType": STRING}, "displayName")
BODY = _object({"contentType": _enum("text", "html"), "content": STRING}, "contentType", "content")
ATTENDEE = _object(
    {"emailAddress": EMAIL_ADDRESS, "type": _enum("required", "optional", "resource"), "status": {}},
    "emailAddress",
)

# Only what may be written: what the service computes (id, changeKey ...) has no place in a request.
EVENT_REQUEST = _object(
    {
        "subject": STRING,
        "body": BODY,
        "start": _time(UTC_OFFSET_FREE),
        "end": _time(UTC_OFFSET_FREE),
        "location": LOCATION,
        "attendees": _array(ATTENDEE),
        "categories": _array(STRING),
        "importance": _enum("low", "normal", "high"),
        "isAllDay": BOOLEAN,
        "isOnlineMeeting": BOOLEAN,
        "isReminderOn": BOOLEAN,
        "reminderMinutesBeforeStart": INT32,
        "responseRequested": BOOLEAN,
        "allowNewTimeProposals": BOOLEAN,
        "hideAttendees": BOOLEAN,
        "sensitivity": _enum("normal", "personal", "private", "confidential"),
        "showAs": FREE_BUSY_STATUS,
        "transactionId": STRING,
        "singleValueExtendedProperties": _array(EXTENDED_PROPERTY),
    }
)
NEW_EVENT_REQUEST = EVENT_REQUEST | {"required": ["subject", "start", "end"]}
SCHEDULE_REQUEST = _object(
    {
        "schedules": _array(STRING, minItems=1, maxItems=20),
        "startTime": _time(UTC_OFFSET_FREE),
        "endTime": _time(UTC_OFFSET_FREE),
        "availabilityViewInterval": INT32 | {"minimum": 5, "maximum": 1440},
    },
    "schedules",
    "startTime",
    "endTime",
)
BATCH_REQUEST = _object(
    {
        "requests": _array(
            {
                "type": "object",
                "properties": {
                    "id": STRING,
                    "method": _enum("GET", "POST", "PATCH", "DELETE"),
                    "url": {"type": "string", "pattern": "^/?users/"},
                    "headers": {"type": "object", "additionalProperties": STRING},
                    "body": {"type": "object"},
                    "dependsOn": _array(STRING),
                },
                "required": ["id", "method", "url"],
                "additionalProperties": False,
                "dependentRequired": {"body": ["headers"]},
            },
            minItems=1,
            maxItems=20,
        )
    },
    "requests",
)

EVENT = _object(
    {
        "id": STRING,
        "changeKey": STRING,
        "subject": NULLABLE_STRING,
        "body": BODY,
        "start": _time(SEVEN_DIGITS),
        "end": _time(SEVEN_DIGITS),
        "showAs": FREE_BUSY_STATUS,
        "isAllDay": BOOLEAN,
        "isReminderOn": BOOLEAN,
        "reminderMinutesBeforeStart": INT32,
        "attendees": _array(ATTENDEE),
        "categories": _array(STRING),
        "organizer": _object({"emailAddress": EMAIL_ADDRESS}),
        "singleValueExtendedProperties": _array(EXTENDED_PROPERTY),
    },
    "id",
    closed=False,
)
EVENTS = _object({"value": _array(EVENT), "@odata.nextLink": STRING}, "value", closed=False)
SCHEDULE_ITEM = _object(
    {
        "status": FREE_BUSY_STATUS,
        "start": _time(SEVEN_DIGITS),
        "end": _time(SEVEN_DIGITS),
        "subject": STRING,
        "location": STRING,
        "isPrivate": BOOLEAN,
    },
    "status",
    "start",
    "end",
    closed=False,
)
SCHEDULE_INFORMATION = _object(
    {
        "scheduleId": STRING,
        "availabilityView": {"type": "string", "pattern": "^[0-4]*$"},
        "scheduleItems": _array(SCHEDULE_ITEM),
        "error": _object({"message": STRING, "responseCode": STRING}, "message", "responseCode"),
        "workingHours": {"type": "object"},
    },
    "scheduleId",
)
SCHEDULES = _object({"value": _array(SCHEDULE_INFORMATION)}, "value")
ERROR = _object(
    {
        "error": _object(
            {"code": STRING, "message": STRING, "innerError": {"type": "object"}}, "code", "message"
        )
    },
    "error",
)
BATCH = _object(
    {
        "responses": _array(
            _object({"id": STRING, "status": INT32, "headers": {}, "body": {}}, "id", "status")
        )
    },
    "responses",
)
_REQUESTS = {
    "POST events": NEW_EVENT_REQUEST,
    "PATCH event": EVENT_REQUEST,
    "getSchedule": SCHEDULE_REQUEST,
    "$batch": BATCH_REQUEST,
}
_ANSWERS = {
    "POST events": EVENT,
    "PATCH event": EVENT,
    "GET event": EVENT,
    "GET events": EVENTS,
    "GET calendarView": EVENTS,
    "getSchedule": SCHEDULES,
    "$batch": BATCH,
}


def validate(value: Any, schema: Schema) -> None:
    """Raise AssertionError with what is wrong and where."""
    problems = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda error: error.json_path)
    assert not problems, "; ".join(f"{error.json_path}: {error.message}" for error in problems)


def validate_event(body: Any) -> None:
    """The body of a POST to .../events."""
    validate(body, NEW_EVENT_REQUEST)


def validate_seen(seen: Seen) -> None:
    """A request that the simulator has seen, one inside a batch as well."""
    operation = seen.operation.removeprefix("graph.").removeprefix("batch.")
    if operation in _REQUESTS:
        body = json.loads(seen.body)
        if operation == "getSchedule":
            body = {name[:1].lower() + name[1:]: value for name, value in body.items()}
        validate(body, _REQUESTS[operation])


def validate_answer(operation: str, status: int, body: Any) -> None:
    """The answer to an operation, named as in the simulator's counters without "graph."."""
    if status >= 400:
        validate(body, ERROR)
    elif operation in _ANSWERS:
        validate(body, _ANSWERS[operation])
