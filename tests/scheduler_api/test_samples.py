"""The eight samples of the published document, pasted as printed, give the documented answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from calendar_backends.simulator import Simulator
from orgs.models import Org, Person
from scheduler_api.parsers import repair
from tests.conftest import Salesforce, busy, event, held

SAMPLES = Path(__file__).parent.parent / "samples"


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text()


def documented(name: str) -> Any:
    """A sample answer; the page prints it with trailing commas."""
    return json.loads(repair(sample(name)))


def only_these_exist(org: Org, exchange: Simulator, *addresses: str) -> None:
    """The users of the Org, each with a mailbox."""
    org.people.exclude(email="test@contoso.com").delete()
    tenant = exchange.world.tenants["contoso"]
    for address in addresses:
        tenant.add_mailbox(address)
        Person.objects.get_or_create(org=org, email=address)


def test_the_sample_read(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    only_these_exist(org, exchange, "attendee1@contoso.com", "attendee2@contoso.com")
    busy(exchange, "attendee1@contoso.com", "2020-10-16 10:00", "2020-10-16 12:00")
    busy(exchange, "attendee1@contoso.com", "2020-10-16 14:00", "2020-10-16 15:00", "oof")
    busy(exchange, "attendee2@contoso.com", "2020-10-16 10:00", "2020-10-16 16:00", "tentative")
    query = "from=2020-10-15T00:00:00Z&to=2020-10-17T12:00:00Z&salesforceCorrelationId=abcdefg"
    answer = salesforce.send("POST", f"availability?{query}", sample("read_request"))
    assert answer.json() == documented("read_response")
    assert answer["X-Salesforce-Correlation-Id"] == "abcdefg"


def test_the_sample_create(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    only_these_exist(org, exchange, "test@contoso.com", "attendee2@contoso.com")
    answer = salesforce.send("POST", "postback", sample("create_request"))
    assert answer.json() == documented("create_response")
    assert answer["X-Salesforce-Correlation-Id"] == "ac3b40b4-2c33-463b-8bfe-8bcf077d7539"
    [appointment] = held(exchange, "attendee2@contoso.com")
    assert (appointment.subject, appointment.location) == ("meeting subject", "meeting room 1")
    assert appointment.start.isoformat() == "2020-10-16T10:00:00+00:00"
    assert appointment.end.isoformat() == "2020-10-20T23:00:00+00:00"


def test_the_sample_update(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    only_these_exist(org, exchange, "test@contoso.com", "attendee1@contoso.com")
    salesforce.send("POST", "postback", sample("create_request"))
    answer = salesforce.send("PUT", "postback", sample("update_request"))
    assert answer.json() == documented("update_response")
    assert answer["X-Salesforce-Correlation-Id"] == "ac3b40b4-2c33-463b-8bfe-8bcf077d7539"
    assert len(held(exchange, "attendee1@contoso.com")) == 1


def test_the_sample_delete(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    only_these_exist(org, exchange, "organizer@contoso.com", "attendee1@contoso.com")
    booked = json.loads(sample("delete_request"))
    created = event("attendee1@contoso.com", id=booked["id"], organizerEmail="organizer@contoso.com")
    salesforce.write("POST", created)
    answer = salesforce.send("DELETE", "postback", sample("delete_request"))
    assert answer.json() == documented("delete_response")
    assert held(exchange, "organizer@contoso.com") == held(exchange, "attendee1@contoso.com") == []


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.iterdir()))
def test_every_sample_can_be_repaired(name: str) -> None:
    assert json.loads(repair(sample(name)))
