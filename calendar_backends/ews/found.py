"""What a calendar holds under a stamp of ours: which items (FindItem), and what they say (GetItem)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from exchangelib import CalendarItem
from exchangelib.fields import FieldPath
from exchangelib.folders import Calendar
from exchangelib.items import ID_ONLY, SHALLOW
from exchangelib.properties import ItemId
from exchangelib.restriction import Q, Restriction
from exchangelib.services import FindItem, GetItem
from lxml import etree

from calendar_backends.base import CalendarError, Held, clean, stamp_matches
from calendar_backends.core.errors import INTERNAL_SERVER_ERROR, ITEM_NOT_FOUND
from calendar_backends.ews.availability import STATUS
from calendar_backends.ews.codes import message_error
from calendar_backends.ews.envelope import SOAP, Impersonated, Message, T, seal
from calendar_backends.ews.items import calendar_of, done, id_in

#: No search with a restriction gives more at once:
#: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange
PAGE: Final = 250
#: So many items are fetched with one GetItem, which gives the bodies that FindItem does not.
FETCHED_AT_ONCE: Final = 100
#: A folder that was never fetched; a search wants one to look up the names of fields.
_ANY_CALENDAR: Final = Calendar()
_WANTED: Final = (
    "scheduler_stamp",
    "subject",
    "body",
    "location",
    "start",
    "end",
    "legacy_free_busy_status",
    "last_modified_time",
)


def search(mailbox: Impersonated, stamp: str, offset: int, *, whole: bool = True) -> Message:
    """One page, from ``offset`` on, of the calendar's items whose stamp is ``stamp``, or begins with it.

    The latter is Contains with ContainmentMode Prefixed, which takes an ExtendedFieldURI:
    https://learn.microsoft.com/exchange/client-developer/web-service-reference/contains
    """
    service = FindItem(account=mailbox)
    wanted = {"scheduler_stamp" if whole else "scheduler_stamp__startswith": clean(stamp)}
    payload = service.get_payload(
        folders=[calendar_of(mailbox)],
        additional_fields=_paths("scheduler_stamp", "datetime_created"),
        restriction=Restriction(Q(**wanted), [_ANY_CALENDAR], Restriction.ITEMS),
        order_fields=None,
        query_string=None,
        shape=ID_ONLY,
        depth=SHALLOW,
        calendar_view=None,
        page_size=PAGE,
        offset=offset,
    )
    return seal(service, payload, mailbox.primary_smtp_address)


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


def refs(pages: Iterable[etree._Element], stamp: str, *, whole: bool = True) -> list[str]:
    """The ids of the items that carry exactly this stamp, or begin with it; the oldest first, each once.

    Exchange may compare without regard to case, and may list an item twice
    (github.com/OfficeDev/ews-managed-api/issues/267).
    """
    items = [item for folder in pages for item in folder.iterfind(f"{T}Items/{T}CalendarItem")]
    ours = [item for item in items if stamp_matches(_stamp(item), clean(stamp), whole=whole)]
    ours.sort(key=lambda item: item.findtext(f"{T}DateTimeCreated") or "")
    return list(dict.fromkeys(ref for item in ours if (ref := id_in(item))))


def details(mailbox: Impersonated, refs: Sequence[str]) -> Message:
    """What these items say, their bodies as text whatever they were written as."""
    service = GetItem(account=mailbox)
    payload = service.get_payload(
        items=[ItemId(id=ref) for ref in refs], additional_fields=_paths(*_WANTED), shape=ID_ONLY
    )
    # exchangelib cannot ask for it. It stands behind the BaseShape in the schema.
    body_type = etree.Element(f"{T}BodyType")
    body_type.text = "Text"
    payload[0].insert(1, body_type)
    return seal(service, payload, mailbox.primary_smtp_address)


def held(body: etree._Element) -> list[Held]:
    """The items of an answer to `details`, in its order; one that is gone by now is left out.

    Raises CalendarError where any of them is refused or cannot be read.
    """
    done_or_gone = list(_messages(body))
    if not done_or_gone:
        raise CalendarError(INTERNAL_SERVER_ERROR, "an answer without a response message")
    items = [item for message in done_or_gone for item in message.iterfind(f"{{*}}Items/{T}CalendarItem")]
    try:
        return [_held(item) for item in items]
    except ValueError as error:
        raise CalendarError(INTERNAL_SERVER_ERROR, f"an item that cannot be read: {error}") from error


def _messages(body: etree._Element) -> Iterator[etree._Element]:
    for message in body.iterfind(f"{SOAP}Body/*/{{*}}ResponseMessages/*"):
        error = message_error(message)
        if error and error.code != ITEM_NOT_FOUND:
            raise error
        yield message


def _held(item: etree._Element) -> Held:
    """Exchange leaves out what is empty. Raises ValueError for an item without an id or a time."""
    ref = id_in(item)
    if ref is None:
        raise ValueError("no id")
    return Held(
        ref=ref,
        stamp=_stamp(item),
        subject=_text(item, "Subject"),
        body=_text(item, "Body"),
        location=_text(item, "Location"),
        start=_moment(_text(item, "Start")),
        end=_moment(_text(item, "End")),
        show_as=STATUS.get(_text(item, "LegacyFreeBusyStatus"), "unknown"),
        modified=_moment(_text(item, "LastModifiedTime")),
    )


def _paths(*names: str) -> list[FieldPath]:
    return [FieldPath(field=CalendarItem.get_field_by_fieldname(name)) for name in names]


def _stamp(item: etree._Element) -> str:
    return item.findtext(f"{T}ExtendedProperty/{T}Value") or ""


def _text(item: etree._Element, name: str) -> str:
    return item.findtext(f"{T}{name}") or ""


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
