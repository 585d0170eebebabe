"""FindItem by a named property, GetItem and GetFolder.

Rules: the pages of these operations, Restriction and IndexedPageItemView in the EWS reference; the page size
of a restricted search: "EWS throttling in Exchange" (EwsFindCountLimit).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from calendar_backends.simulator.ews.context import Context, existing_item, folder_id, named_folder
from calendar_backends.simulator.ews.fields import (
    ALL_FIELDS,
    BODY,
    BODY_TYPES,
    PropertyKey,
    Shape,
    item_xml,
    property_key,
)
from calendar_backends.simulator.ews.soap import (
    ItemError,
    M,
    SoapFault,
    T,
    attribute,
    child,
    child_text,
    error_xml,
    integer,
    invalid,
    local_name,
    success_xml,
)
from calendar_backends.simulator.world import CALENDAR, DELETED_ITEMS, Item

FOUND_ALLOWED = 1000
FOUND_ALLOWED_RESTRICTED = 250
FOLDERS = {
    CALENDAR: "Calendar",
    DELETED_ITEMS: "Deleted Items",
    "root": "",
    "msgfolderroot": "Top of Information Store",
}
FOLDER_NAMES = tuple(FOLDERS)
Matches = Callable[[Item], bool]
_SEARCHABLE = (CALENDAR, DELETED_ITEMS)
_NOT_IMITATED = ("CalendarView", "FractionalPageItemView", "GroupBy", "SortOrder", "QueryString")


@dataclass(frozen=True)
class Search:
    """What FindItem looks for, and which stretch of the result is wanted."""

    shape: Shape
    restriction: Matches | None
    offset: int
    limit: int


def find_item(context: Context) -> str:
    operation = context.operation
    attribute(operation, "Traversal", frozenset({"Shallow"}))
    for name in _NOT_IMITATED:
        if operation.find(M + name) is not None:
            raise SoapFault("ErrorInvalidRequest", f"The simulated Exchange does not know {name}.")
    folders = child(operation, M + "ParentFolderIds")
    messages = [_find_in(folder, context) for folder in folders]
    body = f"<m:ResponseMessages>{''.join(messages)}</m:ResponseMessages>"
    return f"<m:FindItemResponse>{body}</m:FindItemResponse>"


def get_item(context: Context) -> str:
    shape = _shape(context.operation, M + "ItemShape", with_body=True)
    messages = []
    for reference in child(context.operation, M + "ItemIds"):
        try:
            _fail_if_asked(context)
            item = existing_item(reference, context)
            messages.append(
                success_xml("GetItemResponseMessage", f"<m:Items>{item_xml(item, shape)}</m:Items>")
            )
        except ItemError as error:
            messages.append(error_xml("GetItemResponseMessage", error, "<m:Items/>"))
    return (
        f"<m:GetItemResponse><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages></m:GetItemResponse>"
    )


def get_folder(context: Context) -> str:
    messages = []
    for folder in child(context.operation, M + "FolderIds"):
        try:
            _fail_if_asked(context)
            name = named_folder(folder, context, FOLDER_NAMES)
            content = f"<m:Folders>{_folder_xml(name, context)}</m:Folders>"
            messages.append(success_xml("GetFolderResponseMessage", content))
        except ItemError as error:
            messages.append(error_xml("GetFolderResponseMessage", error, "<m:Folders/>"))
    body = f"<m:ResponseMessages>{''.join(messages)}</m:ResponseMessages>"
    return f"<m:GetFolderResponse>{body}</m:GetFolderResponse>"


def _fail_if_asked(context: Context) -> None:
    if context.failing is not None:
        raise context.failing


def _find_in(folder: etree._Element, context: Context) -> str:
    try:
        _fail_if_asked(context)
        search = _search(context.operation)
        name = named_folder(folder, context, _SEARCHABLE)
        return success_xml("FindItemResponseMessage", _found_xml(_matching(name, search, context), search))
    except ItemError as error:
        return error_xml("FindItemResponseMessage", error)


def _search(operation: etree._Element) -> Search:
    restriction = _restriction(operation.find(M + "Restriction"))
    limit = FOUND_ALLOWED_RESTRICTED if restriction else FOUND_ALLOWED
    view = operation.find(M + "IndexedPageItemView")
    shape = _shape(operation, M + "ItemShape", with_body=False)
    if view is None:
        return Search(shape, restriction, 0, limit)
    wanted = integer(view.get("MaxEntriesReturned", str(limit)))
    return Search(shape, restriction, integer(view.get("Offset", "0")), min(wanted, limit))


def _restriction(restriction: etree._Element | None) -> Matches | None:
    """What is imitated: a named String property that is equal to a constant, or contains it."""
    if restriction is None:
        return None
    expression = restriction[0] if len(restriction) else restriction
    path = expression.find(f"{T}ExtendedFieldURI")
    constant = expression.find(f".//{T}Constant")
    if path is None or constant is None or local_name(expression) not in ("IsEqualTo", "Contains"):
        message = "Only IsEqualTo and Contains on an ExtendedFieldURI are imitated."
        raise ItemError("ErrorInvalidRestriction", message)
    key, value = property_key(path), constant.get("Value", "")
    if local_name(expression) == "IsEqualTo":
        return lambda item: item.properties.get(key) == value
    return _containing(expression, key, value)


def _containing(expression: etree._Element, key: PropertyKey, value: str) -> Matches:
    """https://learn.microsoft.com/exchange/client-developer/web-service-reference/contains"""
    mode, comparison = expression.get("ContainmentMode"), expression.get("ContainmentComparison")
    if mode != "Prefixed" or comparison not in ("Exact", "IgnoreCase"):
        message = "Only the prefixes of a text are imitated, with or without regard to case."
        raise ItemError("ErrorInvalidRestriction", message)
    fold = str.lower if comparison == "IgnoreCase" else str
    return lambda item: key in item.properties and fold(item.properties[key]).startswith(fold(value))


def _matching(folder: str, search: Search, context: Context) -> list[Item]:
    items = [item for item in context.mailbox.items if item.folder == folder]
    return items if search.restriction is None else list(filter(search.restriction, items))


def _found_xml(items: list[Item], search: Search) -> str:
    page = items[search.offset : search.offset + search.limit]
    end = search.offset + len(page)
    contents = "".join(item_xml(item, search.shape) for item in page)
    is_last = "true" if end >= len(items) else "false"
    return (
        f'<m:RootFolder IndexedPagingOffset="{end}" TotalItemsInView="{len(items)}" '
        f'IncludesLastItemInRange="{is_last}"><t:Items>{contents}</t:Items></m:RootFolder>'
    )


def _shape(operation: etree._Element, tag: str, *, with_body: bool) -> Shape:
    """FindItem never returns bodies, whatever is asked."""
    element = child(operation, tag)
    base = child_text(element, T + "BaseShape")
    fields = set(ALL_FIELDS) if base != "IdOnly" else set()
    paths = element.find(T + "AdditionalProperties")
    properties: list[PropertyKey] = []
    for path in () if paths is None else paths:
        if path.tag == T + "ExtendedFieldURI":
            properties.append(property_key(path))
        else:
            fields.add(path.get("FieldURI", ""))
    body_type = child_text(element, T + "BodyType", "Best")
    if body_type not in BODY_TYPES:
        raise invalid("The 'BodyType' element is invalid.")
    return Shape(fields if with_body else fields - {BODY}, properties, body_type)


def _folder_xml(name: str, context: Context) -> str:
    mailbox = context.mailbox
    kind = "CalendarFolder" if name == CALENDAR else "Folder"
    count = sum(item.folder == name for item in mailbox.items)
    return (
        f'<t:{kind}><t:FolderId Id="{folder_id(mailbox, name)}" ChangeKey="AQAAAA=="/>'
        f"<t:DisplayName>{FOLDERS[name]}</t:DisplayName><t:TotalCount>{count}</t:TotalCount>"
        f"<t:ChildFolderCount>0</t:ChildFolderCount></t:{kind}>"
    )
