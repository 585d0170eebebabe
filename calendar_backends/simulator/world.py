"""The store of the simulated Exchange: tenants, their mailboxes, and who may sign in.

One store serves both faces. Times are aware UTC datetimes. Every change of a mailbox happens under that
mailbox's lock; addresses and user names are compared without regard to case.
"""

from __future__ import annotations

import base64
import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

CALENDAR = "calendar"
DELETED_ITEMS = "deleteditems"
RECOVERABLE_ITEMS = "recoverableitems"
MAILBOX_STATES = frozenset(
    {
        "ok",
        "unlicensed",
        "disabled",
        "moving",
        "no_calendar",
        "denied",
        "store_unavailable",
        "on_premises",
    }
)


def _now() -> datetime:
    return datetime.now(UTC)


def utf16_length(text: str) -> int:
    """How long a text is to Exchange, which counts UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _new_ews_id() -> str:
    """An item id as EWS gives it: base64, so it holds plus signs and slashes and depends on case."""
    while True:
        text = base64.b64encode(b"\x00\x03\x24" + os.urandom(69)).decode()
        if "+" in text and "/" in text:
            return text


def _new_immutable_id() -> str:
    return "AAkALgAA" + base64.urlsafe_b64encode(os.urandom(48)).decode()


def _new_change_key() -> str:
    return base64.b64encode(b"\x0f\x00\x00\x00\x16\x00\x00\x00" + os.urandom(22)).decode()


@dataclass(eq=False)
class Item:
    """One appointment. `properties` maps (GUID in lower case, name) to a String value.

    `id` is the EWS id and changes when the item moves to another folder; `immutable_id` is Graph's and
    does not. Both are filled in when a mailbox takes the item in.
    """

    subject: str
    start: datetime
    end: datetime
    body: str = ""
    body_type: str = "text"  # text | html
    location: str = ""
    show_as: str = "busy"  # free | tentative | busy | oof | workingElsewhere | unknown
    is_all_day: bool = False
    is_private: bool = False
    is_series: bool = False  # a person made it recur; start and end are those of its first occurrence
    reminder: bool = False
    reminder_minutes: int = 15
    categories: list[str] = field(default_factory=list)
    attendees: list[str] = field(default_factory=list)
    properties: dict[tuple[str, str], str] = field(default_factory=dict)
    transaction_id: str | None = None
    folder: str = CALENDAR
    id: str = ""
    immutable_id: str = ""
    change_key: str = ""
    created: datetime = field(default_factory=_now)
    modified: datetime = field(default_factory=_now)

    @property
    def is_meeting(self) -> bool:
        return bool(self.attendees)

    @property
    def rest_id(self) -> str:
        """The EWS id in the URL-safe spelling that Graph uses for ids that are not immutable."""
        return self.id.replace("/", "-").replace("+", "_")

    def to_dict(self) -> dict[str, Any]:
        """The item as JSON data; properties become a list of {guid, name, value}."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("start", "end", "created", "modified"):
            data[name] = data[name].isoformat()
        data["properties"] = [
            {"guid": guid, "name": name, "value": value} for (guid, name), value in self.properties.items()
        ]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Item:
        """The opposite of `to_dict`. Raises TypeError, KeyError or ValueError for data of another shape."""
        values = dict(data)
        for name in {"start", "end", "created", "modified"} & values.keys():
            values[name] = _parse_time(values[name])
        stamped = values.get("properties", [])
        values["properties"] = {(p["guid"].lower(), p["name"]): p["value"] for p in stamped}
        return cls(**values)


def _parse_time(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text} has no time zone.")
    return value.astimezone(UTC)


@dataclass(eq=False)
class Mailbox:
    """One mailbox, in one of MAILBOX_STATES. `invitations_sent` holds whatever would have mailed people."""

    address: str
    aliases: set[str] = field(default_factory=set)
    name: str = ""
    state: str = "ok"
    items: list[Item] = field(default_factory=list)
    invitations_sent: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _by_id: dict[str, Item] = field(default_factory=dict, repr=False)
    _by_transaction: dict[str, Item] = field(default_factory=dict, repr=False)

    def add_item(self, subject: str, start: datetime, end: datetime, **values: Any) -> Item:
        """Put a new item into the calendar; `values` are fields of Item."""
        return self.create(Item(subject=subject, start=start, end=end, **values))

    def create(self, item: Item) -> Item:
        """Take an item in and give it its ids."""
        with self.lock:
            item.id = item.id or _new_ews_id()
            item.immutable_id = item.immutable_id or _new_immutable_id()
            item.change_key = item.change_key or _new_change_key()
            self.items.append(item)
            self._index(item)
            if item.transaction_id is not None:
                self._by_transaction[item.transaction_id] = item
        return item

    def update(self, item: Item, **values: Any) -> Item:
        """Set fields of an item; it gets a new change key."""
        with self.lock:
            for name, value in values.items():
                setattr(item, name, value)
            item.change_key = _new_change_key()
            item.modified = _now()
        return item

    def delete(self, item: Item, how: str = "MoveToDeletedItems") -> None:
        """Delete an item: MoveToDeletedItems, SoftDelete (recoverable items) or HardDelete."""
        if how == "HardDelete":
            self._remove(item)
        else:
            self.move(item, RECOVERABLE_ITEMS if how == "SoftDelete" else DELETED_ITEMS)

    def move(self, item: Item, folder: str) -> Item:
        """Move an item to another folder, which gives it a new EWS id."""
        with self.lock:
            self._forget(item)
            item.id = _new_ews_id()
            self._index(item)
            return self.update(item, folder=folder)

    def find(self, item_id: str) -> Item | None:
        """The item with this EWS id, in either spelling, or with this immutable id; in any folder."""
        return self._by_id.get(item_id)

    def calendar_items(self) -> list[Item]:
        with self.lock:
            return [item for item in self.items if item.folder == CALENDAR]

    def busy(self, start: datetime, end: datetime) -> list[Item]:
        """Calendar items, of any status, that overlap [start, end): whole, not clipped, in start order."""
        found = [item for item in self.calendar_items() if _overlaps(item, start, end)]
        return sorted(found, key=lambda item: (item.start, item.end))

    def by_property(self, guid: str, name: str, value: str) -> list[Item]:
        """Calendar items that carry this value, compared exactly, in the order of their creation."""
        key = (guid.lower(), name)
        return [item for item in self.calendar_items() if item.properties.get(key) == value]

    def of_transaction(self, transaction_id: str) -> Item | None:
        """The calendar item that was created with it, as long as it is there."""
        with self.lock:
            item = self._by_transaction.get(transaction_id)
            is_there = item is not None and any(each is item for each in self.calendar_items())
            return item if is_there else None

    def record_invitation(self, item: Item, operation: str) -> None:
        """Note that this operation would have mailed the item's attendees."""
        record = {"operation": operation, "subject": item.subject, "attendees": list(item.attendees)}
        with self.lock:
            self.invitations_sent.append({**record, "at": _now().isoformat()})

    def to_dict(self) -> dict[str, Any]:
        with self.lock:
            return {
                "address": self.address,
                "aliases": sorted(self.aliases),
                "name": self.name,
                "state": self.state,
                "items": [item.to_dict() for item in self.items],
                "invitations_sent": list(self.invitations_sent),
            }

    def _remove(self, item: Item) -> None:
        with self.lock:
            self.items.remove(item)
            self._forget(item)

    def _index(self, item: Item) -> None:
        for key in (item.id, item.rest_id, item.immutable_id):
            self._by_id[key] = item

    def _forget(self, item: Item) -> None:
        for key in (item.id, item.rest_id, item.immutable_id):
            self._by_id.pop(key, None)


def _overlaps(item: Item, start: datetime, end: datetime) -> bool:
    # An item of no length still occupies its first moment.
    return item.start < end and max(item.end, item.start + timedelta(microseconds=1)) > start


@dataclass(eq=False)
class ServiceAccount:
    """A user name and password for EWS. `may_impersonate` may be limited to a set of addresses."""

    username: str
    password: str
    may_impersonate: bool | set[str] = False
    mailbox: str | None = None
    expired_password: bool = False

    def may_act_for(self, address: str) -> bool:
        return _in_scope(self.may_impersonate, address)

    def to_dict(self) -> dict[str, Any]:
        return _plain(self)


@dataclass(eq=False)
class App:
    """A registered application. `scope` limits it to some mailboxes; None means all of the tenant."""

    client_id: str
    client_secret: str
    permissions: set[str] = field(default_factory=lambda: {"Calendars.ReadWrite"})
    scope: set[str] | None = None
    certificate_accepted: bool = False

    def may_touch(self, address: str) -> bool:
        return self.scope is None or _in_scope(self.scope, address)

    def to_dict(self) -> dict[str, Any]:
        return _plain(self)


def _in_scope(scope: bool | set[str], address: str) -> bool:
    if isinstance(scope, bool):
        return scope
    return address.lower() in {allowed.lower() for allowed in scope}


def _plain(record: ServiceAccount | App) -> dict[str, Any]:
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}


@dataclass(eq=False)
class Tenant:
    """One organization. Mailboxes and accounts are kept by lower-case address, apps by client id."""

    slug: str
    tenant_id: str
    domains: list[str] = field(default_factory=list)
    ews_enabled: bool = True
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    accounts: dict[str, ServiceAccount] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)

    def add_mailbox(self, address: str, **values: Any) -> Mailbox:
        """Add a mailbox; `values` are fields of Mailbox. Raises ValueError for an unknown state."""
        mailbox = Mailbox(address, **values)
        if mailbox.state not in MAILBOX_STATES:
            raise ValueError(f"A mailbox cannot be in the state {mailbox.state!r}.")
        self.mailboxes[address.lower()] = mailbox
        return mailbox

    def add_service_account(self, username: str, password: str, **values: Any) -> ServiceAccount:
        account = ServiceAccount(username, password, **values)
        self.accounts[username.lower()] = account
        return account

    def add_app(self, client_id: str, client_secret: str, **values: Any) -> App:
        app = App(client_id, client_secret, **values)
        self.apps[client_id] = app
        return app

    def mailbox(self, address: str, aliases: bool = True) -> Mailbox | None:
        """The mailbox of an address; one that is only an alias counts if `aliases` is true."""
        wanted = address.lower()
        found = self.mailboxes.get(wanted)
        if found is not None or not aliases:
            return found
        return next((box for box in self.mailboxes.values() if wanted in map(str.lower, box.aliases)), None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            "tenant_id": self.tenant_id,
            "domains": self.domains,
            "ews_enabled": self.ews_enabled,
            "mailboxes": [mailbox.to_dict() for mailbox in self.mailboxes.values()],
            "accounts": [account.to_dict() for account in self.accounts.values()],
            "apps": [app.to_dict() for app in self.apps.values()],
        }


@dataclass(eq=False)
class World:
    """Everything that the simulated Exchange knows, by tenant slug."""

    tenants: dict[str, Tenant] = field(default_factory=dict)

    def add_tenant(self, slug: str, tenant_id: str | None = None, domains: list[str] | None = None) -> Tenant:
        tenant = Tenant(slug, tenant_id or str(uuid.uuid4()), domains or [f"{slug}.example"])
        self.tenants[slug] = tenant
        return tenant

    def tenant_of_account(self, username: str) -> Tenant | None:
        """The tenant that has a service account of this name."""
        wanted = username.lower()
        return next((tenant for tenant in self.tenants.values() if wanted in tenant.accounts), None)

    def tenant_by_id(self, tenant_id: str) -> Tenant | None:
        """The tenant of this id, or, as the sign-in service also accepts, of this domain."""
        wanted = tenant_id.lower()
        for tenant in self.tenants.values():
            if wanted == tenant.tenant_id.lower() or wanted in map(str.lower, tenant.domains):
                return tenant
        return None

    def mailbox(self, address: str) -> Mailbox | None:
        """The mailbox of an address or alias, in whichever tenant."""
        found = (tenant.mailbox(address) for tenant in self.tenants.values())
        return next((mailbox for mailbox in found if mailbox is not None), None)

    def mailboxes(self) -> list[Mailbox]:
        return [mailbox for tenant in self.tenants.values() for mailbox in tenant.mailboxes.values()]

    def to_dict(self) -> dict[str, Any]:
        """The whole world as JSON data, passwords included."""
        return {"tenants": [tenant.to_dict() for tenant in self.tenants.values()]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> World:
        """The opposite of `to_dict`. Raises TypeError, KeyError or ValueError for data of another shape."""
        world = cls()
        for entry in data["tenants"]:
            _load_tenant(world, entry)
        return world


def _load_tenant(world: World, data: Mapping[str, Any]) -> None:
    tenant = world.add_tenant(data["slug"], data.get("tenant_id"), data.get("domains"))
    tenant.ews_enabled = data.get("ews_enabled", True)
    for mailbox in data.get("mailboxes", []):
        _load_mailbox(tenant, mailbox)
    for account in data.get("accounts", []):
        tenant.add_service_account(**_with_sets(account, "may_impersonate"))
    for app in data.get("apps", []):
        tenant.add_app(**_with_sets(app, "scope", "permissions"))


def _load_mailbox(tenant: Tenant, data: Mapping[str, Any]) -> None:
    values = _with_sets(data, "aliases")
    items = values.pop("items", [])
    mailbox = tenant.add_mailbox(**values)
    for item in items:
        mailbox.create(Item.from_dict(item))


def _with_sets(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    lists = {name: set(data[name]) for name in names if isinstance(data.get(name), list)}
    return {**data, **lists}
