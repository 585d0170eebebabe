"""Our Appointments in a calendar: how they are created, changed and deleted.

Nothing here makes a meeting: no attendees, and SendToNone wherever Exchange could send something.
"""

from functools import lru_cache
from typing import Any, Final
from uuid import uuid4
from xml.sax.saxutils import escape

from exchangelib import Body, CalendarItem, ExtendedProperty, HTMLBody, Mailbox
from exchangelib.folders import Calendar
from exchangelib.items import (
    ALL_OCCURRENCES,
    ALWAYS_OVERWRITE,
    MOVE_TO_DELETED_ITEMS,
    SAVE_ONLY,
    SEND_TO_NONE,
)
from exchangelib.properties import DistinguishedFolderId, ItemId
from exchangelib.services import CreateItem, DeleteItem, UpdateItem
from lxml import etree

from calendar_backends.base import (
    STAMP_GUID,
    STAMP_NAME,
    CalendarError,
    Change,
    Content,
    clean,
    subject_of,
)
from calendar_backends.core.errors import INTERNAL_SERVER_ERROR
from calendar_backends.ews.availability import STATUS
from calendar_backends.ews.codes import message_error
from calendar_backends.ews.envelope import SOAP, Impersonated, Message, Server, T, ews_time, seal

#: What each of FIELDS is made of. Start and end bring their time zones along.
_PARTS: Final = {
    "subject": ("subject",),
    "body": ("body",),
    "location": ("location",),
    "times": ("start", "end", "is_all_day"),
    "show_as": ("legacy_free_busy_status",),
}
#: Blanks to be filled in: an address and an item id that nobody has, and that are in no text.
_ANYBODY: Final = f"{uuid4().hex}@adapter.invalid"
_ANYTHING: Final = uuid4().hex
_BUSY_TYPES: Final = {status: busy_type for busy_type, status in STATUS.items()}


class Stamp(ExtendedProperty):
    """The property that marks an item as ours."""

    property_set_id = STAMP_GUID
    property_name = STAMP_NAME
    property_type = "String"


CalendarItem.register("scheduler_stamp", Stamp)


def creation(mailbox: Impersonated, change: Change) -> Message:
    """The same Appointment goes to many mailboxes: it is written once, and each address put in."""
    return _filled_in(_creation(mailbox.protocol, change.stamp, _content_of(change)), mailbox)


def update(mailbox: Impersonated, change: Change) -> Message:
    """AlwaysOverwrite needs no change key, so nothing has to be fetched first:
    https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem"""
    return _filled_in(_update(mailbox.protocol, change.fields, _content_of(change)), mailbox, change.ref)


@lru_cache(maxsize=64)
def _creation(server: Server, stamp: str, content: Content) -> Message:
    mailbox = Impersonated(_ANYBODY, server)
    service = CreateItem(account=mailbox)
    item = CalendarItem(
        **_fields(content),
        scheduler_stamp=clean(stamp),
        reminder_is_set=content.reminder is not None,
        reminder_minutes_before_start=content.reminder or 0,
    )
    payload = service.get_payload(
        items=[item],
        folder=calendar_of(mailbox),
        message_disposition=SAVE_ONLY,
        send_meeting_invitations=SEND_TO_NONE,
    )
    return seal(service, payload, mailbox.primary_smtp_address)


@lru_cache(maxsize=64)
def _update(server: Server, fields: frozenset[str], content: Content) -> Message:
    mailbox = Impersonated(_ANYBODY, server)
    service = UpdateItem(account=mailbox)
    item = CalendarItem(id=_ANYTHING, **_fields(content))
    item.account = mailbox
    payload = service.get_payload(
        items=[(item, [part for field in sorted(fields) for part in _PARTS[field]])],
        conflict_resolution=ALWAYS_OVERWRITE,
        message_disposition=SAVE_ONLY,
        send_meeting_invitations_or_cancellations=SEND_TO_NONE,
        suppress_read_receipts=True,
    )
    return seal(service, payload, mailbox.primary_smtp_address)


def _filled_in(form: Message, mailbox: Impersonated, ref: str | None = None) -> Message:
    """The message for this mailbox and this item."""
    body = form.body
    for blank, text in ((_ANYBODY, mailbox.primary_smtp_address), (_ANYTHING, ref or "")):
        body = body.replace(blank.encode(), escape(text, {'"': "&quot;"}).encode())
    return Message(form.operation, mailbox.primary_smtp_address, body)


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


def calendar_of(mailbox: Impersonated) -> Any:
    """Named with its mailbox: the account that signs in often has none of its own."""
    return DistinguishedFolderId(
        id=Calendar.DISTINGUISHED_FOLDER_ID, mailbox=Mailbox(email_address=mailbox.primary_smtp_address)
    )


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
    ref = id_in(done(body))
    if ref is None:
        raise CalendarError(INTERNAL_SERVER_ERROR, "an answer that names no item", uncertain=True)
    return ref


def id_in(element: etree._Element) -> str | None:
    found = element.find(f".//{T}ItemId")
    return None if found is None else found.get("Id")


def _content_of(change: Change) -> Content:
    if change.content is None:
        raise ValueError("An Appointment needs content.")
    return change.content


def _fields(content: Content) -> dict[str, Any]:
    kind = HTMLBody if content.html else Body
    return {
        "subject": subject_of(content.subject),
        "body": kind(clean(content.body)),
        "location": clean(content.location),
        "start": ews_time(content.start),
        "end": ews_time(content.end),
        "is_all_day": False,
        "legacy_free_busy_status": _BUSY_TYPES[content.show_as],
    }
