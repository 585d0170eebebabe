"""The demo's world: two tenants, contoso for the Graph face and fabrikam for the EWS face."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from calendar_backends.simulator.world import Mailbox, Tenant, World

CONTOSO_ID = "11111111-2222-3333-4444-555555555555"
FABRIKAM_ID = "66666666-7777-8888-9999-000000000000"
NAMES = {
    "admin": "Scheduling Admin",
    "anna": "Anna Holm",
    "ben": "Ben Okafor",
    "chloe": "Chloe Martin",
    "room.oslo": "Meeting Room Oslo",
    "service": "Calendar Service",
}


class Slot(NamedTuple):
    """One entry of a day: begin and end in hours of UTC, what it is called and how it shows."""

    begin: float
    end: float
    subject: str
    show_as: str = "busy"
    details: dict[str, Any] = {}


CALENDARS: dict[str, list[Slot]] = {
    "admin": [Slot(9, 9.5, "Queue review")],
    "anna": [
        Slot(0, 24, "Visitors in the house", "free", {"is_all_day": True}),
        Slot(8.5, 9, "Stand-up"),
        Slot(10, 11.5, "Loan review", details={"location": "Room Oslo"}),
        Slot(11, 12, "Call with the Bergen branch", "tentative"),
        Slot(14, 15, "Dentist", "oof", {"is_private": True}),
    ],
    "ben": [
        Slot(8, 12, "Working from the Bergen branch", "workingElsewhere"),
        Slot(9, 9.75, "Mortgage consultation"),
        Slot(13, 14, "Lunch with a client", "tentative"),
        Slot(16, 16.5, "Reserved, not decided", "free"),
    ],
    "chloe": [
        Slot(9, 10, "Onboarding"),
        Slot(9.5, 10.5, "Interview"),
        Slot(15, 18, "Away", "oof"),
    ],
    "room.oslo": [Slot(10, 11.5, "Loan review")],
    "service": [],
}


def demo_world(day: date) -> World:
    """Both tenants, with calendars filled on this day (UTC)."""
    world = World()
    contoso = world.add_tenant("contoso", CONTOSO_ID, ["contoso.example"])
    contoso.add_app("lsa-demo-app", "contoso-graph-secret", permissions={"Calendars.ReadWrite"})
    fabrikam = world.add_tenant("fabrikam", FABRIKAM_ID, ["fabrikam.example"])
    fabrikam.add_service_account(
        "service@fabrikam.example",
        "fabrikam-ews-password",
        may_impersonate=True,
        mailbox="service@fabrikam.example",
    )
    for tenant in (contoso, fabrikam):
        _fill(tenant, day)
    return world


def _fill(tenant: Tenant, day: date) -> None:
    for local_part, slots in CALENDARS.items():
        mailbox = tenant.add_mailbox(f"{local_part}@{tenant.domains[0]}", name=NAMES[local_part])
        for slot in slots:
            _add(mailbox, slot, day)


def _add(mailbox: Mailbox, slot: Slot, day: date) -> None:
    midnight = datetime.combine(day, time(), UTC)
    start, end = (midnight + timedelta(hours=hours) for hours in (slot.begin, slot.end))
    mailbox.add_item(slot.subject, start, end, show_as=slot.show_as, **slot.details)
