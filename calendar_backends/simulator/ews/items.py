"""CreateItem, UpdateItem and DeleteItem on calendar items.

Rules: the pages of these operations and of their attributes in the EWS reference, "Deleting items by using
EWS in Exchange", and ResponseCode.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lxml import etree

from calendar_backends.simulator.ews.context import Context, existing_item, target_folder
from calendar_backends.simulator.ews.fields import (
    DEFAULTS,
    Changes,
    field_uri,
    id_xml,
    property_key,
    read_item,
    read_property,
)
from calendar_backends.simulator.ews.soap import (
    ItemError,
    M,
    SoapFault,
    T,
    attribute,
    child,
    error_xml,
    invalid,
    local_name,
    success_xml,
)
from calendar_backends.simulator.world import DELETED_ITEMS, Item

DURATION_ALLOWED = timedelta(days=5 * 366)
NOBODY = "SendToNone"
SEND_MODES = frozenset({NOBODY, "SendOnlyToAll", "SendToAllAndSaveCopy"})
SEND_UPDATE_MODES = SEND_MODES | {"SendOnlyToChanged", "SendToChangedAndSaveCopy"}
CONFLICT_MODES = frozenset({"NeverOverwrite", "AutoResolve", "AlwaysOverwrite"})
DELETE_TYPES = frozenset({"HardDelete", "SoftDelete", "MoveToDeletedItems"})
NO_ITEMS = "<m:Items/>"

Action = Callable[[etree._Element, Context], str]


def create_item(context: Context) -> str:
    elements = list(child(context.operation, M + "Items"))
    if not elements or any(element.tag != T + "CalendarItem" for element in elements):
        raise SoapFault("ErrorInvalidRequest", "The simulated Exchange keeps calendar items only.")
    _check_send_mode(context.operation, "SendMeetingInvitations", SEND_MODES)
    return _each(context, "CreateItem", elements, _create_one, NO_ITEMS)


def update_item(context: Context) -> str:
    attribute(context.operation, "ConflictResolution", CONFLICT_MODES)
    _check_send_mode(context.operation, "SendMeetingInvitationsOrCancellations", SEND_UPDATE_MODES)
    changes = list(child(context.operation, M + "ItemChanges"))
    return _each(context, "UpdateItem", changes, _update_one, NO_ITEMS)


def delete_item(context: Context) -> str:
    attribute(context.operation, "DeleteType", DELETE_TYPES)
    _check_send_mode(context.operation, "SendMeetingCancellations", SEND_MODES)
    ids = list(child(context.operation, M + "ItemIds"))
    return _each(context, "DeleteItem", ids, _delete_one, "")


def _each(context: Context, name: str, elements: list[etree._Element], action: Action, on_error: str) -> str:
    """Do it to each; every element gets its own ResponseMessage, and one's failure is not the others'."""
    if not elements:
        raise invalid(f"The element '{name}' has incomplete content.")
    kind = f"{name}ResponseMessage"
    messages = [_one(context, kind, element, action, on_error) for element in elements]
    body = f"<m:ResponseMessages>{''.join(messages)}</m:ResponseMessages>"
    return f"<m:{name}Response>{body}</m:{name}Response>"


def _one(context: Context, kind: str, element: etree._Element, action: Action, on_error: str) -> str:
    try:
        if context.failing is not None:
            raise context.failing
        return success_xml(kind, action(element, context))
    except ItemError as error:
        return error_xml(kind, error, on_error)


def _check_send_mode(operation: etree._Element, name: str, allowed: frozenset[str]) -> None:
    """A value out of the enumeration breaks the schema; a missing one is refused item by item."""
    if operation.get(name) is not None:
        attribute(operation, name, allowed)


def _send_mode(context: Context, name: str) -> str:
    mode = context.operation.get(name)
    if mode is None:
        raise ItemError(f"Error{name}Required")
    return mode


def _items_xml(item: Item) -> str:
    return f"<m:Items><t:CalendarItem>{id_xml(item)}</t:CalendarItem></m:Items>"


def _create_one(element: etree._Element, context: Context) -> str:
    mode = _send_mode(context, "SendMeetingInvitations")
    folder = target_folder(context.operation.find(M + "SavedItemFolderId"), context)
    item = Item(**{"subject": "", **_default_times(), **read_item(element)}, folder=folder)
    _check_times(item.start, item.end)
    context.mailbox.create(item)
    _mail(context, item, mode)
    return _items_xml(item)


def _default_times() -> Changes:
    """Exchange gives an item without times the current half hour."""
    now = datetime.now(UTC)
    start = now.replace(minute=now.minute - now.minute % 30, second=0, microsecond=0)
    return {"start": start, "end": start + timedelta(minutes=30)}


def _check_times(start: datetime, end: datetime) -> None:
    if end < start:
        raise ItemError("ErrorCalendarEndDateIsEarlierThanStartDate")
    if end - start > DURATION_ALLOWED:
        raise ItemError("ErrorCalendarDurationIsTooLong")


def _mail(context: Context, item: Item, mode: str) -> None:
    if item.attendees and mode != NOBODY:
        context.mailbox.record_invitation(item, local_name(context.operation))


def _update_one(change: etree._Element, context: Context) -> str:
    mode = _send_mode(context, "SendMeetingInvitationsOrCancellations")
    reference = child(change, T + "ItemId")
    item = existing_item(reference, context)
    _check_change_key(reference.get("ChangeKey"), item, context.operation.get("ConflictResolution", ""))
    if item.folder == DELETED_ITEMS and mode != NOBODY:
        raise ItemError("ErrorCalendarCannotUpdateDeletedItem")
    changes: Changes = {}
    for update in child(change, T + "Updates"):
        changes |= _read_update(update, item, changes)
    _check_times(changes.get("start", item.start), changes.get("end", item.end))
    context.mailbox.update(item, **changes)
    _mail(context, item, mode)
    return f"{_items_xml(item)}<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"


def _check_change_key(change_key: str | None, item: Item, resolution: str) -> None:
    if resolution == "AlwaysOverwrite":
        return
    if change_key is None:
        raise ItemError("ErrorChangeKeyRequired")
    if change_key != item.change_key:
        raise ItemError("ErrorIrresolvableConflict" if resolution == "AutoResolve" else "ErrorStaleObject")


def _read_update(update: etree._Element, item: Item, so_far: Changes) -> Changes:
    """The changes of one SetItemField, DeleteItemField or AppendToItemField."""
    if len(update) == 0:
        raise invalid(f"The element '{local_name(update)}' has incomplete content.")
    kind, path = local_name(update), update[0]
    if kind == "DeleteItemField":
        changes = _deleted(path, item)
    else:
        changes = read_property(_only_property(update, path))
    if kind == "AppendToItemField":
        changes = _appended(changes, item)
    if "properties" in changes and kind == "SetItemField":
        changes["properties"] = {**so_far.get("properties", item.properties), **changes["properties"]}
    return changes


def _only_property(update: etree._Element, path: etree._Element) -> etree._Element:
    """The single property that a SetItemField sets; it must be the one that its path names."""
    properties = list(child(update, T + "CalendarItem"))
    if len(properties) != 1:
        raise ItemError("ErrorIncorrectUpdatePropertyCount")
    if path.tag == T + "ExtendedFieldURI":
        stamped = properties[0].find(T + "ExtendedFieldURI")
        matches = stamped is not None and property_key(stamped) == property_key(path)
    else:
        matches = path.get("FieldURI") == field_uri(properties[0])
    if not matches:
        raise ItemError("ErrorUpdatePropertyMismatch")
    return properties[0]


def _deleted(path: etree._Element, item: Item) -> Changes:
    if path.tag == T + "ExtendedFieldURI":
        key = property_key(path)
        return {"properties": {kept: value for kept, value in item.properties.items() if kept != key}}
    uri = path.get("FieldURI", "")
    if uri not in DEFAULTS:
        raise ItemError("ErrorInvalidPropertyDelete")
    return DEFAULTS[uri]


def _appended(changes: Changes, item: Item) -> Changes:
    if "body" not in changes:
        raise ItemError("ErrorInvalidPropertyAppend")
    return {"body": item.body + changes["body"]}


def _delete_one(reference: etree._Element, context: Context) -> str:
    mode = _send_mode(context, "SendMeetingCancellations")
    item = existing_item(reference, context)
    _mail(context, item, mode)
    context.mailbox.delete(item, context.operation.get("DeleteType", ""))
    return ""
