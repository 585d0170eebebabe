"""A small world for the examiner's own tests, and clients for its EWS face."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from calendar_backends.simulator import Simulator, World
from calendar_backends.simulator.world import Mailbox, Tenant
from tests.simulator.ews_client import EwsClient

NINE = datetime(2026, 12, 1, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
ANNA, BEN, SERVICE = "anna@contoso.example", "ben@contoso.example", "service@contoso.example"


@pytest.fixture
def tenant() -> Tenant:
    tenant = World().add_tenant("contoso", domains=["contoso.example"])
    tenant.add_mailbox(ANNA, aliases={"a.holm@contoso.example"})
    tenant.add_mailbox(BEN)
    tenant.add_mailbox(SERVICE)
    tenant.add_service_account(SERVICE, "secret", may_impersonate=True, mailbox=SERVICE)
    tenant.add_app("app", "app-secret", permissions={"full_access_as_app"})
    return tenant


@pytest.fixture
def anna(tenant: Tenant) -> Mailbox:
    return tenant.mailboxes[ANNA]


@pytest.fixture
def exchange(tenant: Tenant) -> Iterator[Simulator]:
    with Simulator(World({tenant.slug: tenant})) as simulator:
        yield simulator


@pytest.fixture
def ews(exchange: Simulator) -> EwsClient:
    """A client that acts for anna."""
    return EwsClient(exchange.ews_url, SERVICE, "secret", acts_for=ANNA)


@pytest.fixture
def reader(exchange: Simulator) -> EwsClient:
    """A client that acts for nobody but the service account itself."""
    return EwsClient(exchange.ews_url, SERVICE, "secret")
