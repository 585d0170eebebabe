"""What the four calls cost, by the simulated Exchange's own counters. The token is not counted."""

from calendar_backends.simulator import Simulator
from orgs.models import Org, Person
from tests.conftest import Salesforce, event


def people(org: Org, exchange: Simulator, count: int) -> list[str]:
    addresses = [f"person{number}@contoso.com" for number in range(count)]
    for address in addresses:
        exchange.world.tenants["contoso"].add_mailbox(address)
        Person.objects.create(org=org, email=address)
    return addresses


def test_reading_costs_one_round_trip_per_100_or_20_mailboxes(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    addresses = people(org, exchange, 200)
    assert {row["errorCode"] for row in salesforce.read(*addresses)} == {"NoError"}
    assert exchange.round_trips() == {"ews": 2, "graph": 10}[org.backend]


def test_writing_costs_at_most_one_round_trip_per_mailbox(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    addresses = people(org, exchange, 9)
    body = event(*addresses)
    update = {"original": body, "new": event(*addresses, subject="Moved")}
    delete = {"id": "event-1", "organizerEmail": "test@contoso.com", "attendees": addresses}
    for method, sent in (("POST", body), ("PUT", update), ("DELETE", delete)):
        exchange.reset()
        assert set(salesforce.write(method, sent).values()) == {"NoError"}
        assert exchange.round_trips() == {"ews": 10, "graph": 3}[org.backend]
