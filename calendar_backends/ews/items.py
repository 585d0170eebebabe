"""Our Appointments in a calendar: the four requests, and the item ids in their answers.

Nothing here makes a meeting: no attendees, and SendToNone wherever Exchange could send something.
"""

from collections.abc import Iterable
from typing import Any, Final

from exchangelib import Body, CalendarItem, ExtendedProperty, Mailbox
from exchangelib.fields import FieldPath
from exchangelib.folders import Calendar
from exchangelib.items import (
    ALL_OCCURRENCES,
    ALWAYS_OVERWRITE,
    ID_ONLY,
    MOVE_TO_DELETED_ITEMS,
    SAVE_ONLY,
    SEND_TO_NONE,
    SHALLOW,
)
from exchangelib.properties import DistinguishedFolderId, ItemId
from exchangelib.restriction import Q, Restriction
from exchangelib.services import CreateItem, DeleteItem, FindItem, UpdateItem
from lxml import etree

from calendar_backends.base import REMINDER_MINUTES, STAMP_GUID, STAMP_NAME, CalendarError, Change, Content
from calendar_backends.core.errors import INTERNAL_SERVER_ERROR
from calendar_backends.ews.codes import message_error
from calendar_backends.ews.envelope import SOAP, Impersonated, Message, T, clean, ews_time, seal

#: A longer one is refused, by exchangelib as by Exchange, which counts UTF-16 code units.
SUBJECT_LENGTH: Final = 255
#: No search with a restriction gives more at once:
#: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange
PAGE: Final = 250
#: What an update touches. Start and end bring their time zones along.
_UPDATED: Final = ["subject", "body", "location", "start", "end"]
#: A folder that was never fetched; a search wants one to look up the names of fields.
_ANY_CALENDAR: Final = Calendar()


class Stamp(ExtendedProperty):
    """The property that marks an item as ours."""

    property_set_id = STAMP_GUID
    property_name = STAMP_NAME
    property_type = "String"


CalendarItem.register("scheduler_stamp", Stamp)


def creation(mailbox: Impersonated, change: Change) -> Message:
    service = CreateItem(account=mailbox)
    item = CalendarItem(
        **_fields(change.content),
        scheduler_stamp=clean(change.stamp),
        legacy_free_busy_status="Busy",
        reminder_is_set=True,
        reminder_minutes_before_start=REMINDER_MINUTES,
    )
    payload = service.get_payload(
        items=[item],
        folder=_calendar(mailbox),
        message_disposition=SAVE_ONLY,
        send_meeting_invitations=SEND_TO_NONE,
    )
    return seal(service, payload, mailbox.primary_smtp_address)


def update(mailbox: Impersonated, change: Change) -> Message:
    """AlwaysOverwrite needs no change key, so nothing has to be fetched first:
    https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem"""
    service = UpdateItem(account=mailbox)
    item = CalendarItem(id=change.ref, **_fields(change.content))
    item.account = mailbox
    payload = service.get_payload(
        items=[(item, _UPDATED)],
        conflict_resolution=ALWAYS_OVERWRITE,
        message_disposition=SAVE_ONLY,
        send_meeting_invitations_or_cancellations=SEND_TO_NONE,
        suppress_read_receipts=True,
    )
    return seal(service, payload, mailbox.primary_smtp_address)


def deletion(mailbox: Impersonated, change: Change) -> Message:
    service = DeleteItem(account=mailbox)
    payload = service.get_payload(
        items=[ItemId(id=change.ref)],
        delete_type=MOVE_TO_DELETED_ITEMS,
        send_meeting_cancellations=SEND_TO_NONE,
        affected_task_occurrences=ALL_OCCURRENCES,
        suppress_read_receipts=True,
    )
    return seal(service, payload, mailbox.primary_smtp_address)


def search(mailbox: Impersonated, stamp: str, offset: int) -> Message:
    """One page, from ``offset`` on, of the calendar's items that carry the stamp."""
    service = FindItem(account=mailbox)
    payload = service.get_payload(
        folders=[_calendar(mailbox)],
        additional_fields=[_path("scheduler_stamp"), _path("datetime_created")],
        restriction=Restriction(Q(scheduler_stamp=clean(stamp)), [_ANY_CALENDAR], Restriction.ITEMS),
        order_fields=None,
        query_string=None,
        shape=ID_ONLY,
        depth=SHALLOW,
        calendar_view=None,
        page_size=PAGE,
        offset=offset,
    )
    return seal(service, payload, mailbox.primary_smtp_address)


def done(body: etree._Element) -> etree._Element:
    """The ResponseMessage of an answer about one item.

    Raises CalendarError where it is not a success, and with ``uncertain`` where there is none.
    """
    message = body.find(f"{SOAP}Body/*/{{*}}ResponseMessages/*")
    if message is None:
        raise CalendarError(INTERNAL_SERVER_ERROR, "an answer without a response message", uncertain=True)
    if error := message_error(message):
        raise error
    return message


def item_id(body: etree._Element) -> str:
    """The id of the item that was created or updated. Raises CalendarError as `done` does."""
    ref = _id(done(body))
    if ref is None:
        raise CalendarError(INTERNAL_SERVER_ERROR, "an answer that names no item", uncertain=True)
    return ref


def page(body: etree._Element) -> etree._Element:
    """One page of a search. Raises CalendarError where the answer has none: that is not an empty one."""
    folder = done(body).find("{*}RootFolder")
    if folder is None:
        raise CalendarError(INTERNAL_SERVER_ERROR, "an answer without a page")
    return folder


def next_offset(folder: etree._Element) -> int | None:
    """Where the next page of a search begins; None after the last one."""
    if folder.get("IncludesLastItemInRange") in ("true", "1"):
        return None
    offset = folder.get("IndexedPagingOffset", "")
    return int(offset) if offset.isdecimal() and int(offset) else None


def found(pages: Iterable[etree._Element], stamp: str) -> list[str]:
    """The ids of the items that carry exactly this stamp, the oldest first, each once.

    Exchange may compare without regard to case, and may list an item twice
    (github.com/OfficeDev/ews-managed-api/issues/267).
    """
    items = [item for folder in pages for item in folder.iterfind(f"{T}Items/{T}CalendarItem")]
    ours = [item for item in items if _stamp(item) == clean(stamp)]
    ours.sort(key=lambda item: item.findtext(f"{T}DateTimeCreated") or "")
    return list(dict.fromkeys(ref for item in ours if (ref := _id(item))))


def _fields(content: Content | None) -> dict[str, Any]:
    if content is None:
        raise ValueError("An Appointment needs content.")
    return {
        "subject": _subject(content.subject),
        "body": Body(clean(content.body)),
        "location": clean(content.location),
        "start": ews_time(content.start),
        "end": ews_time(content.end),
    }


def _subject(text: str) -> str:
    units = clean(text).encode("utf-16-le")
    return units[: 2 * SUBJECT_LENGTH].decode("utf-16-le", "ignore")


def _calendar(mailbox: Impersonated) -> Any:
    """Named with its mailbox: the account that signs in often has none of its own."""
    return DistinguishedFolderId(
        id=Calendar.DISTINGUISHED_FOLDER_ID, mailbox=Mailbox(email_address=mailbox.primary_smtp_address)
    )


def _path(field: str) -> Any:
    return FieldPath(field=CalendarItem.get_field_by_fieldname(field))


def _id(element: etree._Element) -> str | None:
    found = element.find(f".//{T}ItemId")
    return None if found is None else found.get("Id")


def _stamp(item: etree._Element) -> str | None:
    return item.findtext(f"{T}ExtendedProperty/{T}Value")
