"""What the tests of the down-sync share: bodies, faults for either driver, the repair, time that passes."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from calendar_backends import registry
from calendar_backends.simulator import Fault, Simulator
from scheduler_api.models import Appointment, Event
from tests.conftest import PEOPLE

TEST, ORGANIZER, ANNA, CARL = PEOPLE
OK, NOT_FOUND, NEVER_SEEN = "NoError", "ErrorMailRecipientNotFound", "ErrorItemNotFound"
STALE, TIMEOUT, BUSY = "ErrorStaleObject", "ErrorTimeoutExpired", "ErrorServerBusy"
#: What the simulated Exchange calls the drivers' requests, over EWS and over Graph, in a batch or alone.
OPERATIONS = {
    "create": ("ews.CreateItem", "graph.*POST events"),
    "update": ("ews.UpdateItem", "graph.*PATCH event"),
    "delete": ("ews.DeleteItem", "graph.*DELETE event"),
    "find": ("ews.FindItem", "graph.*GET events"),
}
#: The exit status of resync where something is left to do.
LEFT = 3


def update(old: dict[str, Any], new: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"original": old, "new": {name: value for name, value in new.items() if name != "id"}, **top}


def delete(*attendees: str, **changes: Any) -> dict[str, Any]:
    return {"id": "event-1", "organizerEmail": TEST, "attendees": list(attendees), **changes}


def fault(exchange: Simulator, kind: str, verb: str, **parameters: Any) -> None:
    """Switch a fault on for what the drivers do with this verb, whichever driver it is."""
    for operation in OPERATIONS[verb]:
        exchange.faults.add(Fault(kind, operation=operation, **parameters))


def throttle(exchange: Simulator, verb: str, seconds: float, *, mailbox: str = ANNA, **when: Any) -> None:
    """Exchange refuses, does nothing, and asks to be left alone for so long."""
    ews, graph = OPERATIONS[verb]
    pause: dict[str, Any] = {"code": "ErrorServerBusy", "back_off_ms": round(seconds * 1000)}
    exchange.faults.add(Fault("soap_fault", operation=ews, mailbox=mailbox, **pause, **when))
    exchange.faults.add(Fault("throttle", operation=graph, mailbox=mailbox, retry_after=seconds, **when))


def forget_throttles() -> None:
    """As if the pauses that Exchange asked for were over."""
    registry.disconnect_all()
    cache.clear()


def take_down(exchange: Simulator) -> None:
    """Every request is cut off before anything is done."""
    for face in ("ews.*", "graph.*", "token"):
        exchange.faults.add(Fault("drop", operation=face))


def ledger() -> list[Any]:
    """All that it holds."""
    return [*Event.objects.order_by("pk").values(), *Appointment.objects.order_by("pk").values()]


def resync(*arguments: str) -> tuple[int, str]:
    """The exit status and what was printed."""
    out, status = StringIO(), 0
    try:
        call_command("resync", *arguments, stdout=out)
    except SystemExit as end:
        status = int(end.code or 0)
    return status, out.getvalue()


def time_passes(seconds: float) -> None:
    """For the ledger, whose clock is the database's: everything in it was that much longer ago."""
    by = timedelta(seconds=seconds)
    Appointment.objects.update(due_at=F("due_at") - by, doubtful_until=F("doubtful_until") - by)
    Event.objects.update(declared=F("declared") - by)


def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def environ() -> dict[str, str]:
    """For a program that shall work on the database of the tests."""
    return {
        **os.environ,
        "TEST_DATABASE_URL": _database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }


def _database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    parts = urlsplit(os.environ["TEST_DATABASE_URL"])
    return parts._replace(path=f"/{database['NAME']}").geturl()
