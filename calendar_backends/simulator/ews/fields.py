"""The properties of a CalendarItem: from XML into the store and back.

Names and their order: ItemType and CalendarItemType in the EWS schema; value rules: the pages of the EWS
reference, for example ExtendedFieldURI, LegacyFreeBusyStatus and "Time zones and EWS in Exchange".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from calendar_backends.simulator.ews.soap import (
    ItemError,
    T,
    child,
    child_text,
    format_time,
    integer,
    invalid,
    local_name,
    parse_time,
)
from calendar_backends.simulator.ews.views import BUSY_TYPES
from calendar_backends.simulator.plain import as_html, as_text
from calendar_backends.simulator.world import Item, utf16_length

Changes = dict[str, Any]
PropertyKey = tuple[str, str]

SUBJECT_ALLOWED = 255
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
BODY = "item:Body"
BODY_TYPES = frozenset({"Best", "HTML", "Text"})
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UTC_ZONES = frozenset({"", "UTC", "tzone://Microsoft/Utc"})
_STATUSES = {busy_type: status for status, busy_type in BUSY_TYPES.items()}


def read_item(element: etree._Element) -> Changes:
    """All properties of a CalendarItem element, as fields of Item. Raises SoapFault or ItemError."""
    changes: Changes = {}
    last = -1
    for part in element:
        position = _position(part)
        if position < last:
            raise invalid(f"The element 'CalendarItem' has invalid child element '{local_name(part)}'.")
        last = position
        _merge(changes, read_property(part))
    return changes


def read_property(element: etree._Element) -> Changes:
    """One property element, as fields of Item; nothing for one that is accepted and not kept."""
    name = local_name(element)
    if name not in READERS:
        raise ItemError("ErrorInvalidPropertySet", f"The property {name} cannot be set.")
    return READERS[name](element)


def property_key(path: etree._Element) -> PropertyKey:
    """The (GUID, name) that an ExtendedFieldURI names; String properties with a name only."""
    guid, name = path.get("PropertySetId", ""), path.get("PropertyName")
    if guid and not _GUID.fullmatch(guid):
        raise invalid("The 'PropertySetId' attribute is invalid.")
    if not guid or not name or path.get("PropertyType") != "String":
        raise ItemError(
            "ErrorInvalidExtendedProperty", "The simulated Exchange keeps named String properties only."
        )
    return guid.lower(), name


def _position(part: etree._Element) -> int:
    if part.tag != T + local_name(part):
        raise invalid(f"The element 'CalendarItem' has invalid child element '{part.tag}'.")
    names = list(READERS)
    return names.index(local_name(part)) if local_name(part) in READERS else -1


def _merge(changes: Changes, more: Changes) -> None:
    for name, value in more.items():
        if name == "properties":
            changes.setdefault(name, {}).update(value)
        elif name == "attendees":
            changes.setdefault(name, []).extend(value)
        else:
            changes[name] = value


def _text(element: etree._Element) -> str:
    return element.text or ""


def _boolean(element: etree._Element) -> bool:
    text = _text(element).strip()
    if text not in ("true", "false", "1", "0"):
        raise invalid(f"The '{local_name(element)}' element is not a boolean.")
    return text in ("true", "1")


def _subject(element: etree._Element) -> Changes:
    text = _text(element)
    length = utf16_length(text)
    if length > SUBJECT_ALLOWED:
        message = f"Subject is too long: maximum length is {SUBJECT_ALLOWED}, actual length is {length}."
        raise ItemError("ErrorItemSavePropertyError", message)
    return {"subject": text}


def _sensitivity(element: etree._Element) -> Changes:
    return {"is_private": _text(element) in ("Private", "Confidential")}


def _body(element: etree._Element) -> Changes:
    kind = element.get("BodyType")
    if kind not in ("HTML", "Text"):
        raise invalid("The 'BodyType' attribute is missing or invalid.")
    return {"body": _text(element), "body_type": kind.lower()}


def _categories(element: etree._Element) -> Changes:
    return {"categories": [_text(name) for name in element.iterfind(T + "String")]}


def _minutes(element: etree._Element) -> Changes:
    return {"reminder_minutes": integer(_text(element))}


def _extended_property(element: etree._Element) -> Changes:
    key = property_key(child(element, T + "ExtendedFieldURI"))
    return {"properties": {key: _text(child(element, T + "Value"))}}


def _start(element: etree._Element) -> Changes:
    return {"start": _time(element, "StartTimeZone")}


def _end(element: etree._Element) -> Changes:
    return {"end": _time(element, "EndTimeZone")}


def _time(element: etree._Element, zone_name: str) -> Any:
    """A time with a zone is taken literally; without one it is in the item's zone, else in the header's."""
    text = _text(element).strip()
    value = parse_time(text)
    has_zone = text.endswith("Z") or "+" in text[10:] or "-" in text[10:]
    if not has_zone and _zone_id(element, zone_name) not in _UTC_ZONES:
        raise ItemError(
            "ErrorCalendarInvalidTimeZone", "The simulated Exchange knows UTC only; send times with Z."
        )
    return value


def _zone_id(element: etree._Element, name: str) -> str:
    item = element.getparent()
    own = None if item is None else item.find(T + name)
    if own is None:
        own = element.getroottree().getroot().find(f".//{T}TimeZoneContext/{T}TimeZoneDefinition")
    return "" if own is None else own.get("Id", "")


def _status(element: etree._Element) -> Changes:
    if _text(element) not in _STATUSES:
        raise invalid("The 'LegacyFreeBusyStatus' element is invalid.")
    return {"show_as": _STATUSES[_text(element)]}


def _attendees(element: etree._Element) -> Changes:
    attendees = element.iterfind(T + "Attendee")
    return {"attendees": [child_text(child(a, T + "Mailbox"), T + "EmailAddress") for a in attendees]}


def _not_kept(element: etree._Element) -> Changes:
    return {}


# In the order of the schema.
READERS: dict[str, Callable[[etree._Element], Changes]] = {
    "ItemClass": _not_kept,
    "Subject": _subject,
    "Sensitivity": _sensitivity,
    "Body": _body,
    "Categories": _categories,
    "Importance": _not_kept,
    "ReminderIsSet": lambda element: {"reminder": _boolean(element)},
    "ReminderMinutesBeforeStart": _minutes,
    "ExtendedProperty": _extended_property,
    "UID": _not_kept,
    "Start": _start,
    "End": _end,
    "IsAllDayEvent": lambda element: {"is_all_day": _boolean(element)},
    "LegacyFreeBusyStatus": _status,
    "Location": lambda element: {"location": _text(element)},
    "IsResponseRequested": _not_kept,
    "RequiredAttendees": _attendees,
    "OptionalAttendees": _attendees,
    "Resources": _attendees,
    "MeetingTimeZone": _not_kept,
    "StartTimeZone": _not_kept,
    "EndTimeZone": _not_kept,
    "AllowNewTimeProposal": _not_kept,
}
# What a deleted property goes back to.
DEFAULTS: dict[str, Changes] = {
    "item:Subject": {"subject": ""},
    BODY: {"body": "", "body_type": "text"},
    "item:Categories": {"categories": []},
    "item:ReminderIsSet": {"reminder": False},
    "calendar:Location": {"location": ""},
    "calendar:RequiredAttendees": {"attendees": []},
    "calendar:OptionalAttendees": {},
    "calendar:Resources": {},
}
_ITEM_LEVEL = frozenset(list(READERS)[: list(READERS).index("UID")])


def field_uri(element: etree._Element) -> str:
    """The FieldURI of a property element: "item:Subject", "calendar:Start"."""
    name = local_name(element)
    return f"{'item' if name in _ITEM_LEVEL else 'calendar'}:{name}"


@dataclass(frozen=True)
class Shape:
    """Which properties an answer holds besides the id: FieldURIs, and named properties.

    `body_type` is Text, HTML, or Best: as it was written.
    """

    fields: Collection[str] = ()
    properties: Collection[PropertyKey] = ()
    body_type: str = "Best"


def item_xml(item: Item, shape: Shape) -> str:
    """A CalendarItem element with its id and what the shape asks for, in the order of the schema."""
    parts = [id_xml(item)]
    for uri, write in _WRITERS.items():
        if uri == "extended":
            parts += [_property_xml(item, key) for key in shape.properties if key in item.properties]
        elif uri == BODY and uri in shape.fields:
            parts.append(_body_xml(item, shape.body_type))
        elif uri in shape.fields:
            parts.append(_element_xml(uri, write(item)))
    return f"<t:CalendarItem>{''.join(parts)}</t:CalendarItem>"


def id_xml(item: Item) -> str:
    return f"<t:ItemId Id={quoteattr(item.id)} ChangeKey={quoteattr(item.change_key)}/>"


def _property_xml(item: Item, key: PropertyKey) -> str:
    guid, name = key
    return (
        f'<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="{guid}" PropertyName={quoteattr(name)}'
        f' PropertyType="String"/><t:Value>{escape(item.properties[key])}</t:Value></t:ExtendedProperty>'
    )


def _element_xml(uri: str, value: str) -> str:
    name = uri.partition(":")[2]
    return f"<t:{name}>{value}</t:{name}>" if value else ""


def _boolean_xml(value: bool) -> str:
    return "true" if value else "false"


def _body_xml(item: Item, wanted: str) -> str:
    stored = "HTML" if item.body_type == "html" else "Text"
    kind = stored if wanted == "Best" else wanted
    body = as_html(item) if kind == "HTML" else as_text(item)
    return f'<t:Body BodyType="{kind}">{_text_xml(body)}</t:Body>'


def _text_xml(text: str) -> str:
    """Control characters become references, which XML 1.0 does not have either.

    https://github.com/ecederstrand/exchangelib/issues/1200
    """
    return _CONTROL.sub(lambda found: f"&#x{ord(found[0]):X};", escape(text))


def _categories_xml(item: Item) -> str:
    return "".join(f"<t:String>{escape(name)}</t:String>" for name in item.categories)


def _attendees_xml(item: Item) -> str:
    return "".join(
        f"<t:Attendee><t:Mailbox><t:EmailAddress>{escape(address)}</t:EmailAddress></t:Mailbox></t:Attendee>"
        for address in item.attendees
    )


_WRITERS: dict[str, Callable[[Item], str]] = {
    "item:ItemClass": lambda item: "IPM.Appointment",
    "item:Subject": lambda item: _text_xml(item.subject),
    "item:Sensitivity": lambda item: "Private" if item.is_private else "Normal",
    BODY: lambda item: "",
    "item:Categories": _categories_xml,
    "item:DateTimeCreated": lambda item: format_time(item.created),
    "item:ReminderIsSet": lambda item: _boolean_xml(item.reminder),
    "item:ReminderMinutesBeforeStart": lambda item: str(item.reminder_minutes),
    "extended": lambda item: "",
    "item:LastModifiedTime": lambda item: format_time(item.modified),
    "calendar:Start": lambda item: format_time(item.start),
    "calendar:End": lambda item: format_time(item.end),
    "calendar:IsAllDayEvent": lambda item: _boolean_xml(item.is_all_day),
    "calendar:LegacyFreeBusyStatus": lambda item: BUSY_TYPES[item.show_as],
    "calendar:Location": lambda item: _text_xml(item.location),
    "calendar:IsMeeting": lambda item: _boolean_xml(item.is_meeting),
    "calendar:CalendarItemType": lambda item: "RecurringMaster" if item.is_series else "Single",
    "calendar:RequiredAttendees": _attendees_xml,
}
ALL_FIELDS = frozenset(_WRITERS) - {"extended"}
