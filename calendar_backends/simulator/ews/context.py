"""What an item operation works on, and how it finds the folders and items that it names."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from lxml import etree

from calendar_backends.simulator.ews.soap import ItemError, T, child_text
from calendar_backends.simulator.world import CALENDAR, Item, Mailbox, Tenant


@dataclass(frozen=True)
class Context:
    """One operation: its element, the mailbox in whose name it runs, and the failure asked for, if any."""

    operation: etree._Element
    mailbox: Mailbox
    tenant: Tenant
    failing: ItemError | None = None


def existing_item(reference: etree._Element, context: Context) -> Item:
    """The item that an ItemId names. Ids depend on case and hold only in the mailbox that they come from."""
    item_id = reference.get("Id", "")
    if not item_id:
        raise ItemError("ErrorInvalidIdEmpty")
    try:
        base64.b64decode(item_id, validate=True)
    except binascii.Error as error:
        raise ItemError("ErrorInvalidIdMalformed") from error
    _check_access(context)
    item = context.mailbox.find(item_id)
    if item is None or item.id != item_id:
        raise ItemError("ErrorItemNotFound")
    return item


def target_folder(
    target: etree._Element | None, context: Context, known: tuple[str, ...] = (CALENDAR,)
) -> str:
    """The name of the folder that a folder id names; the calendar if there is none."""
    _check_access(context)
    if target is None or len(target) == 0:
        return CALENDAR
    return named_folder(target[0], context, known)


def named_folder(folder: etree._Element, context: Context, known: tuple[str, ...] = (CALENDAR,)) -> str:
    """The name of a DistinguishedFolderId or FolderId. Raises ItemError."""
    _check_access(context)
    if folder.tag == T + "FolderId":
        return _by_folder_id(folder.get("Id", ""), context, known)
    _check_owner(child_text(folder, f"{T}Mailbox/{T}EmailAddress"), context)
    name = folder.get("Id", "")
    if name not in known or (name == CALENDAR and context.mailbox.state == "no_calendar"):
        raise ItemError("ErrorFolderNotFound")
    return name


def folder_id(mailbox: Mailbox, name: str) -> str:
    return base64.b64encode(f"folder:{name}:{mailbox.address.lower()}".encode()).decode()


def _by_folder_id(wanted: str, context: Context, known: tuple[str, ...]) -> str:
    for name in known:
        if folder_id(context.mailbox, name) == wanted:
            return name
    raise ItemError("ErrorFolderNotFound")


def _check_owner(address: str, context: Context) -> None:
    """Nobody has rights on another's folder; whoever needs it impersonates."""
    owner = context.tenant.mailbox(address) if address else context.mailbox
    if owner is None:
        raise ItemError("ErrorNonExistentMailbox")
    if owner is not context.mailbox:
        raise ItemError("ErrorAccessDenied")


def _check_access(context: Context) -> None:
    if context.mailbox.state == "denied":
        raise ItemError("ErrorAccessDenied")
