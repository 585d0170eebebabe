"""The part of Graph's data model that calendar requests use, and the check of a JSON value against it.

Names and types are those of the v1.0 CSDL, https://graph.microsoft.com/v1.0/$metadata. Like the service, the
check takes the text "false" for a boolean and "15" for a number (python-o365 and the vendor's own getSchedule
page send such), and refuses a property that a type does not have.
"""

from __future__ import annotations

from typing import Any

from calendar_backends.simulator.graph.answers import GraphError

STRING, BOOLEAN, INT32, ANYTHING = "Edm.String", "Edm.Boolean", "Edm.Int32", "Edm.Untyped"

TYPES: dict[str, dict[str, str]] = {
    "microsoft.graph.event": {
        "id": STRING,
        "createdDateTime": STRING,
        "lastModifiedDateTime": STRING,
        "changeKey": STRING,
        "categories": "Collection(Edm.String)",
        "transactionId": STRING,
        "originalStartTimeZone": STRING,
        "originalEndTimeZone": STRING,
        "responseStatus": ANYTHING,
        "iCalUId": STRING,
        "uid": STRING,
        "reminderMinutesBeforeStart": INT32,
        "isReminderOn": BOOLEAN,
        "hasAttachments": BOOLEAN,
        "subject": STRING,
        "body": "microsoft.graph.itemBody",
        "bodyPreview": STRING,
        "importance": "microsoft.graph.importance",
        "sensitivity": "microsoft.graph.sensitivity",
        "originalStart": STRING,
        "start": "microsoft.graph.dateTimeTimeZone",
        "end": "microsoft.graph.dateTimeTimeZone",
        "location": "microsoft.graph.location",
        "locations": "Collection(microsoft.graph.location)",
        "isAllDay": BOOLEAN,
        "isCancelled": BOOLEAN,
        "isOrganizer": BOOLEAN,
        "isDraft": BOOLEAN,
        "recurrence": ANYTHING,
        "responseRequested": BOOLEAN,
        "seriesMasterId": STRING,
        "occurrenceId": STRING,
        "showAs": "microsoft.graph.freeBusyStatus",
        "type": STRING,
        "attendees": "Collection(microsoft.graph.attendee)",
        "organizer": "microsoft.graph.recipient",
        "webLink": STRING,
        "onlineMeeting": ANYTHING,
        "onlineMeetingUrl": STRING,
        "onlineMeetingProvider": "microsoft.graph.onlineMeetingProviderType",
        "isOnlineMeeting": BOOLEAN,
        "allowNewTimeProposals": BOOLEAN,
        "hideAttendees": BOOLEAN,
        "singleValueExtendedProperties": "Collection(microsoft.graph.singleValueLegacyExtendedProperty)",
        "multiValueExtendedProperties": ANYTHING,
        "attachments": ANYTHING,
        "extensions": ANYTHING,
    },
    "microsoft.graph.itemBody": {"contentType": "microsoft.graph.bodyType", "content": STRING},
    "microsoft.graph.dateTimeTimeZone": {"dateTime": STRING, "timeZone": STRING},
    "microsoft.graph.location": {
        "displayName": STRING,
        "locationEmailAddress": STRING,
        "address": ANYTHING,
        "locationUri": STRING,
        "coordinates": ANYTHING,
        "locationType": STRING,
        "uniqueId": STRING,
        "uniqueIdType": STRING,
    },
    "microsoft.graph.emailAddress": {"name": STRING, "address": STRING},
    "microsoft.graph.recipient": {"emailAddress": "microsoft.graph.emailAddress"},
    "microsoft.graph.attendee": {
        "emailAddress": "microsoft.graph.emailAddress",
        "type": "microsoft.graph.attendeeType",
        "status": ANYTHING,
        "proposedNewTime": ANYTHING,
    },
    "microsoft.graph.singleValueLegacyExtendedProperty": {"id": STRING, "value": STRING},
    "getSchedule": {
        "schedules": "Collection(Edm.String)",
        "startTime": "microsoft.graph.dateTimeTimeZone",
        "endTime": "microsoft.graph.dateTimeTimeZone",
        "availabilityViewInterval": INT32,
    },
}
ENUMS: dict[str, tuple[str, ...]] = {
    "microsoft.graph.bodyType": ("text", "html"),
    "microsoft.graph.importance": ("low", "normal", "high"),
    "microsoft.graph.sensitivity": ("normal", "personal", "private", "confidential"),
    "microsoft.graph.freeBusyStatus": ("unknown", "free", "tentative", "busy", "oof", "workingElsewhere"),
    "microsoft.graph.attendeeType": ("required", "optional", "resource"),
    "microsoft.graph.onlineMeetingProviderType": (
        "unknown",
        "teamsForBusiness",
        "skypeForBusiness",
        "skypeForConsumer",
    ),
}
# python-o365 sends "HTML", and the service takes it. Elsewhere the case counts.
_ANY_CASE = {"microsoft.graph.bodyType"}
_INT32 = range(-(2**31), 2**31)


def read(value: Any, type_name: str) -> Any:
    """The value with texts turned into the booleans and numbers that its type asks for.

    Raises GraphError 400 RequestBodyRead when the value is not of the type.
    """
    if value is None or type_name == ANYTHING:
        return value
    if type_name.startswith("Collection("):
        return _collection(value, type_name[len("Collection(") : -1])
    if type_name in TYPES:
        return _complex(value, type_name)
    if type_name in ENUMS:
        return _enum(value, type_name)
    return _primitive(value, type_name)


def _collection(value: Any, member: str) -> list[Any]:
    if not isinstance(value, list):
        raise _refuse(f"A 'StartArray' node was expected for a collection of '{member}'.")
    return [read(entry, member) for entry in value]


def _complex(value: Any, type_name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refuse(f"A 'StartObject' node was expected for a value of type '{type_name}'.")
    properties = TYPES[type_name]
    found: dict[str, Any] = {}
    for name, member in value.items():
        if "@" in name:
            continue
        if name not in properties:
            raise _refuse(
                f"The property '{name}' does not exist on type '{type_name}'. Make sure to only use property "
                "names that are defined by the type or mark the type as open type."
            )
        found[name] = read(member, properties[name])
    return found


def _enum(value: Any, type_name: str) -> str:
    members = ENUMS[type_name]
    text = value.lower() if isinstance(value, str) and type_name in _ANY_CASE else value
    if text not in members:
        raise _refuse(f"Requested value '{value}' was not found in '{type_name}'.")
    return str(text)


def _primitive(value: Any, type_name: str) -> str | bool | int:
    if type_name == STRING and isinstance(value, str):
        return value
    if type_name == BOOLEAN and (isinstance(value, bool) or value in ("true", "false")):
        return value in (True, "true")
    if type_name == INT32 and _is_int32(value):
        return int(value)
    raise _refuse(f"Cannot convert the literal '{value}' to the expected type '{type_name}'.")


def _is_int32(value: Any) -> bool:
    if isinstance(value, str):
        return value.removeprefix("-").isdecimal() and int(value) in _INT32
    return isinstance(value, int) and not isinstance(value, bool) and value in _INT32


def _refuse(message: str) -> GraphError:
    return GraphError(400, "RequestBodyRead", message)
