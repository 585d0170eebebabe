"""The ledger in the admin: what is where and what is due, and nothing of what it says."""

from typing import Any

import pytest
from django.test import Client as Browser

from calendar_backends.simulator import Simulator
from scheduler_api.models import Event
from tests.conftest import Salesforce, event

ANNA = "attendee1@contoso.com"


@pytest.fixture
def backend() -> str:
    return "ews"


@pytest.fixture
def ledger(exchange: Simulator, salesforce: Salesforce) -> Event:
    exchange.world.mailbox(ANNA).state = "store_unavailable"  # type: ignore[union-attr]
    salesforce.write("POST", event(ANNA, subject="Divorce", body="of the Smiths", location="Chambers"))
    return Event.objects.get()


def test_the_list_says_how_many_mailboxes_are_due(ledger: Event, admin_client: Browser) -> None:
    page = admin_client.get("/admin/scheduler_api/event/?due=yes").content.decode()
    assert "event-1" in page
    assert "event-1" not in admin_client.get("/admin/scheduler_api/event/?due=no").content.decode()


def test_an_event_shows_its_mailboxes_and_not_its_content(ledger: Event, admin_client: Browser) -> None:
    page = admin_client.get(f"/admin/scheduler_api/event/{ledger.pk}/change/").content.decode()
    assert ANNA in page
    assert "ErrorMailboxStoreUnavailable" in page
    assert not any(word in page for word in ("Divorce", "Smiths", "Chambers"))


@pytest.mark.parametrize("path", ["add/", "{}/delete/"])
def test_nobody_writes_the_ledger_by_hand(ledger: Event, admin_client: Browser, path: str) -> None:
    assert admin_client.get(f"/admin/scheduler_api/event/{path.format(ledger.pk)}").status_code == 403


def test_it_is_found_by_its_whole_id_or_a_whole_address(ledger: Event, admin_client: Browser) -> None:
    def found(text: str) -> Any:
        return "event-1" in admin_client.get(f"/admin/scheduler_api/event/?q={text}").content.decode()

    assert [found("event-1"), found(ANNA), found("nobody@contoso.com")] == [True, True, False]
