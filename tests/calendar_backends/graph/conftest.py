"""A simulated Microsoft 365 tenant with a few people, and the driver that is connected to it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calendar_backends.base import BusyTime, CalendarError, Change, Content, Deadline, Interval, Verb
from calendar_backends.graph import GraphBackend
from calendar_backends.simulator import Simulator, World
from calendar_backends.simulator.server import Seen
from calendar_backends.simulator.world import App, Mailbox, Tenant
from tests.simulator.graph_schema import validate_seen

ANNA, BEN, CHLOE = "anna@contoso.example", "ben@contoso.example", "chloe@contoso.example"
ALIAS, NOBODY = "a.holm@contoso.example", "nobody@contoso.example"
SECRET = "graph-secret"
NINE = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MORNING = Interval(NINE, NINE + 3 * HOUR)
CONTENT = Content("Consultation", "Mortgage\nfor a house", "Branch 7", NINE, NINE + HOUR)
STAMP = "contoso/00U000000000001"


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds)


def change(verb: Verb, mailbox: str = ANNA, ref: str | None = None, content: Content = CONTENT) -> Change:
    return Change(verb, mailbox, STAMP, 1, ref, content)


def creations(*mailboxes: str) -> list[Change]:
    return [change(Verb.CREATE, mailbox) for mailbox in mailboxes]


def code_of(outcome: object) -> str:
    assert isinstance(outcome, CalendarError), outcome
    return outcome.code


def seen(exchange: Simulator, operation: str) -> list[Seen]:
    """The requests of this name, inside a batch or not."""
    return [each for each in exchange.requests if each.operation.endswith(operation)]


def anchors_used(exchange: Simulator) -> list[str | None]:
    return [request.mailbox for request in seen(exchange, "getSchedule")]


def read(
    graph: GraphBackend, mailbox: str = ANNA, window: Interval = MORNING
) -> list[BusyTime] | CalendarError:
    return graph.busy_times([mailbox], window, soon())[mailbox]


def refused(graph: GraphBackend, *mailboxes: str, deadline: Deadline | None = None) -> CalendarError:
    """With which error a question about the mailboxes (default: Anna) comes to nothing as a whole."""
    with pytest.raises(CalendarError) as caught:
        graph.busy_times(mailboxes or [ANNA], MORNING, deadline or soon())
    return caught.value


def connect(options: dict[str, Any]) -> GraphBackend:
    form = GraphBackend.Options(options)
    assert form.is_valid(), form.errors
    return GraphBackend(form.cleaned_data)


@pytest.fixture
def tenant() -> Tenant:
    tenant = World().add_tenant("contoso", domains=["contoso.example"])
    tenant.add_mailbox(ANNA, aliases={ALIAS})
    for address in (BEN, CHLOE):
        tenant.add_mailbox(address)
    tenant.add_app("app", SECRET)
    return tenant


@pytest.fixture
def app(tenant: Tenant) -> App:
    return tenant.apps["app"]


@pytest.fixture
def anna(tenant: Tenant) -> Mailbox:
    return tenant.mailboxes[ANNA]


@pytest.fixture
def exchange(tenant: Tenant) -> Iterator[Simulator]:
    """Everything that reached it is valid by the schema, and nobody was ever invited to anything."""
    with Simulator(World({tenant.slug: tenant})) as simulator:
        yield simulator
    for request in simulator.requests:
        validate_seen(request)
    assert not any(mailbox.invitations_sent for mailbox in tenant.mailboxes.values())


@pytest.fixture
def options(exchange: Simulator, tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant_id": tenant.tenant_id,
        "client_id": "app",
        "client_secret": SECRET,
        "graph_url": exchange.url,
        "authority_url": exchange.url,
    }


@pytest.fixture
def graph(options: dict[str, Any]) -> Iterator[GraphBackend]:
    backend = connect(options)
    yield backend
    backend.close()
