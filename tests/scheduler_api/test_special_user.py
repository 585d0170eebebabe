"""Read by a person who has Exchange credentials of its own."""

from base64 import b64encode

import pytest

from calendar_backends.simulator import Simulator
from orgs.models import Org, Person
from tests.conftest import Salesforce, busy, event, token_for

ANNA = "attendee1@contoso.com"
SPECIAL = "test@contoso.com"
OWN = {"username": SPECIAL, "password": "own-password"}
SERVICE_ACCOUNT = ("service@contoso.com", "service-password")


@pytest.fixture
def backend() -> str:
    return "ews"


@pytest.fixture
def special(org: Org, exchange: Simulator, salesforce: Salesforce) -> Salesforce:
    """Calls as test@contoso.com, who may sign in to Exchange and act for nobody else."""
    account = exchange.world.tenants["contoso"].add_service_account(SPECIAL, OWN["password"])
    account.mailbox = SPECIAL
    give(OWN)
    return salesforce


def give(options: dict[str, str]) -> None:
    person = Person.objects.get(email=SPECIAL)
    person.options = options
    person.save()


def signed_in(exchange: Simulator) -> set[str]:
    """The Authorization headers that Exchange has been shown."""
    return {request.headers["authorization"] for request in exchange.requests if request.face == "ews"}


def basic(username: str, password: str) -> set[str]:
    return {f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"}


def test_read_signs_in_with_the_persons_own_credentials(exchange: Simulator, special: Salesforce) -> None:
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:00")
    [row] = special.read(ANNA)
    assert row["unavailableTimeslots"] == [
        {"timeMin": "2020-10-16T10:00:00Z", "timeMax": "2020-10-16T11:00:00Z"}
    ]
    assert signed_in(exchange) == basic(SPECIAL, "own-password")


@pytest.mark.usefixtures("special")
def test_read_by_another_signs_in_with_the_service_account(exchange: Simulator, org: Org) -> None:
    [row] = Salesforce(token_for(org, ANNA)).read(ANNA)
    assert row["errorCode"] == "NoError"
    assert signed_in(exchange) == basic(*SERVICE_ACCOUNT)


def test_writes_sign_in_with_the_service_account(exchange: Simulator, special: Salesforce) -> None:
    assert special.write("POST", event(ANNA)) == {SPECIAL: "NoError", ANNA: "NoError"}
    assert signed_in(exchange) == basic(*SERVICE_ACCOUNT)


def test_a_wrong_password_of_a_persons_own_concerns_no_other(
    exchange: Simulator, org: Org, special: Salesforce
) -> None:
    give({**OWN, "password": "wrong"})
    codes = [row["errorCode"] for row in special.read(ANNA, SPECIAL)]
    assert codes == ["ErrorAccessDenied"] * 2
    [row] = Salesforce(token_for(org, ANNA)).read(ANNA)
    assert row["errorCode"] == "NoError"
    assert special.write("POST", event(ANNA)) == {SPECIAL: "NoError", ANNA: "NoError"}


def test_credentials_that_are_given_up_are_not_used_any_more(
    exchange: Simulator, special: Salesforce
) -> None:
    special.read(ANNA)
    exchange.reset()
    give({})
    special.read(ANNA)
    assert signed_in(exchange) == basic(*SERVICE_ACCOUNT)
