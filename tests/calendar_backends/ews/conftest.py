"""A simulated Exchange Server with a few people, and the driver that is connected to it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calendar_backends.base import CalendarError, Change, Content, Deadline, Interval, Verb
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Simulator, World
from calendar_backends.simulator.world import Mailbox, Tenant
from tests.simulator.ews_schema import validate

ANNA, BEN, CHLOE = "anna@contoso.example", "ben@contoso.example", "chloe@contoso.example"
ALIAS, NOBODY, SERVICE = "a.holm@contoso.example", "nobody@contoso.example", "service@contoso.example"
NINE = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MORNING = Interval(NINE, NINE + 3 * HOUR)
CONTENT = Content("Consultation", "Mortgage\nfor a house", "Branch 7", NINE, NINE + HOUR)
STAMP = "contoso/00U000000000001"


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds)


def change(verb: Verb, mailbox: str = ANNA, ref: str | None = None, content: Content = CONTENT) -> Change:
    return Change(verb, mailbox, STAMP, 1, ref, content)


def refused(ews: EwsBackend, *mailboxes: str, window: Interval = MORNING) -> CalendarError:
    """With which error a question about the mailboxes (default: Anna) comes to nothing as a whole."""
    with pytest.raises(CalendarError) as caught:
        ews.busy_times(mailboxes or [ANNA], window, soon())
    return caught.value


@pytest.fixture
def tenant() -> Tenant:
    tenant = World().add_tenant("contoso", domains=["contoso.example"])
    tenant.add_mailbox(ANNA, aliases={ALIAS})
    for address in (BEN, CHLOE, SERVICE):
        tenant.add_mailbox(address)
    tenant.add_service_account(SERVICE, "pässword €", may_impersonate=True, mailbox=SERVICE)
    return tenant


@pytest.fixture
def anna(tenant: Tenant) -> Mailbox:
    return tenant.mailboxes[ANNA]


@pytest.fixture
def exchange(tenant: Tenant) -> Iterator[Simulator]:
    """Everything that reached it is valid by Microsoft's schemas."""
    with Simulator(World({tenant.slug: tenant})) as simulator:
        yield simulator
    for request in simulator.requests:
        validate(request.body)


@pytest.fixture
def options(exchange: Simulator) -> dict[str, Any]:
    data = {"endpoint": exchange.ews_url, "auth_type": "basic", "username": SERVICE, "password": "pässword €"}
    form = EwsBackend.Options(data)
    assert form.is_valid(), form.errors
    return form.cleaned_data


@pytest.fixture
def connect() -> Iterator[Callable[[dict[str, Any]], EwsBackend]]:
    opened: list[EwsBackend] = []

    def open_backend(options: dict[str, Any]) -> EwsBackend:
        opened.append(EwsBackend(options))
        return opened[-1]

    yield open_backend
    for backend in opened:
        backend.close()


@pytest.fixture
def ews(connect: Callable[[dict[str, Any]], EwsBackend], options: dict[str, Any]) -> EwsBackend:
    return connect(options)
