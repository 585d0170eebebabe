"""What the simulated Exchange of a benchmark holds, and the right answer about it.

Everything follows from the numbers of tenants and mailboxes: any process can work it out for itself.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from calendar_backends.simulator import World
from calendar_backends.simulator.world import Mailbox, Tenant

START = datetime(2026, 12, 7, tzinfo=UTC)
END = START + timedelta(days=5)
SECRET = "benchmark-secret"
APP = "benchmark-app"
#: The one large tenant, the many small ones, and those of which a third of the mailboxes is unwell.
MAIN = "main"
FLEET = [f"fleet{number:02}" for number in range(1, 21)]
THIRDS = [
    f"third-{driver}-{trouble}" for driver in ("ews", "graph") for trouble in ("throttle", "busy", "hang")
]
SIZES = {MAIN: 400, **dict.fromkeys(FLEET, 10), **dict.fromkeys(THIRDS, 60)}

#: What blocks in an Org that chose nothing else.
BLOCKING = frozenset({"busy", "oof", "tentative", "unknown"})
#: Four entries a day as (hour, minutes long); the second begins where the first ends.
_DAY = ((8, 60), (9, 45), (12, 30), (15, 90))
_STATUSES = ("busy", "busy", "tentative", "busy", "oof", "busy", "free", "busy", "busy", "workingElsewhere")


def address(tenant: str, number: int) -> str:
    return f"person{number:03}@{tenant}.example"


def addresses(tenant: str, count: int | None = None) -> list[str]:
    """The first ``count`` addresses of a tenant, or all."""
    return [address(tenant, number) for number in range(SIZES[tenant] if count is None else count)]


def service_account(tenant: str, name: str = "service") -> str:
    """A user name for EWS; "pooled" signs in as somebody else than "service"."""
    return f"{name}@{tenant}.example"


def tenant_id(tenant: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{tenant}.example"))


def world() -> World:
    """All tenants; each mailbox has 20 entries from START to END."""
    made = World()
    for slug, size in SIZES.items():
        tenant = made.add_tenant(slug, tenant_id(slug), [f"{slug}.example"])
        _add_access(tenant)
        for number in range(size):
            _fill(tenant.add_mailbox(address(slug, number)), number)
    return made


def _add_access(tenant: Tenant) -> None:
    for name in ("service", "pooled"):
        mailbox = tenant.add_mailbox(service_account(tenant.slug, name))
        tenant.add_service_account(mailbox.address, SECRET, mailbox=mailbox.address, may_impersonate=True)
    tenant.add_app(APP, SECRET)


def _fill(mailbox: Mailbox, number: int) -> None:
    for start, end, status in entries(number):
        mailbox.add_item("Meeting", start, end, show_as=status, location="Room")


def entries(number: int) -> list[tuple[datetime, datetime, str]]:
    """The calendar of a tenant's mailbox of this number: start, end, status."""
    shift = timedelta(minutes=5 * (number % 12))
    found = []
    for place in range(20):
        hour, minutes = _DAY[place % 4]
        start = START + timedelta(days=place // 4, hours=hour) + shift
        found.append((start, start + timedelta(minutes=minutes), _STATUSES[(place + number) % 10]))
    return found


def question(emails: Sequence[str]) -> bytes:
    """The body of a Read about these people."""
    return json.dumps(
        [{"email": email, "serviceResourceId": f"resource-{email}"} for email in emails]
    ).encode()


def answer(emails: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the right answer, all mailboxes being well."""
    return [
        {
            "serviceResourceId": f"resource-{email}",
            "errorCode": "NoError",
            "unavailableTimeslots": [
                {"timeMin": _text(start), "timeMax": _text(end)} for start, end in _blocked(email)
            ],
        }
        for email in emails
    ]


def _blocked(email: str) -> list[list[datetime]]:
    merged: list[list[datetime]] = []
    for start, end, status in entries(int(email.partition("@")[0].removeprefix("person"))):
        if status not in BLOCKING:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return merged


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
