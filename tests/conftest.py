"""What most tests need: a simulated Exchange, an Org on either driver, and Salesforce calling."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import hypothesis
import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from calendar_backends import registry
from calendar_backends.simulator import Simulator, World
from calendar_backends.simulator.world import Item
from orgs.models import Org, Person

# A slow machine is no failure.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")

LOOPBACK = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None)  # noqa: S104  names of this machine
TENANT_ID = "11111111-2222-3333-4444-555555555555"
#: The mailboxes of the simulated Exchange; the first four are users of the Org.
PEOPLE = ("test@contoso.com", "organizer@contoso.com", "attendee1@contoso.com", "attendee3@contoso.com")


def _loopback_only(event: str, arguments: tuple[Any, ...]) -> None:
    """Raises before a name is looked up or a connection is made beyond this machine."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if (host.decode() if isinstance(host, bytes) else host) not in LOOPBACK:
        raise PermissionError(f"A test tried to reach {host}.")


sys.addaudithook(_loopback_only)


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    yield
    registry.disconnect_all()


@pytest.fixture
def world() -> World:
    """A tenant with both kinds of access; nobody@ does not exist, alias@ is an alias."""
    world = World()
    tenant = world.add_tenant("contoso", tenant_id=TENANT_ID, domains=["contoso.com"])
    account = tenant.add_service_account("service@contoso.com", "service-password", may_impersonate=True)
    account.mailbox = tenant.add_mailbox("service@contoso.com").address
    tenant.add_app("app", "app-secret", permissions={"Calendars.ReadWrite"})
    for address in PEOPLE:
        tenant.add_mailbox(address)
    tenant.mailboxes["attendee3@contoso.com"].aliases.add("alias@contoso.com")
    return world


@pytest.fixture
def exchange(world: World) -> Iterator[Simulator]:
    with Simulator(world) as simulator:
        yield simulator


def options_for(backend: str, exchange: Simulator) -> dict[str, Any]:
    """What an admin would fill in to reach the simulated Exchange."""
    if backend == "ews":
        given = {
            "endpoint": exchange.ews_url,
            "auth_type": "basic",
            "username": "service@contoso.com",
            "password": "service-password",
        }
    else:
        given = {
            "tenant_id": TENANT_ID,
            "client_id": "app",
            "client_secret": "app-secret",
            "graph_url": exchange.url,
            "authority_url": exchange.url,
        }
    form_class = registry.load(backend).Options
    initial = {name: field.initial for name, field in form_class.base_fields.items() if field.initial}
    form = form_class(data={**initial, **given})
    assert form.is_valid(), form.errors
    return form.cleaned_data


@pytest.fixture(params=["ews", "graph"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def org(db: None, backend: str, exchange: Simulator) -> Org:
    """An Org whose users are PEOPLE, one address that has no mailbox, and one that is an alias."""
    org = Org.objects.create(
        slug="contoso", name="Contoso", backend=backend, options=options_for(backend, exchange)
    )
    for address in (*PEOPLE, "gone@contoso.com", "alias@contoso.com"):
        rights = ["updateOrganization"] if address == "test@contoso.com" else []
        Person.objects.create(org=org, email=address, rights=rights)
    return org


def token_for(org: Org, email: str = "test@contoso.com") -> str:
    out = StringIO()
    call_command("issue_token", org.slug, email, stdout=out)
    return out.getvalue().strip()


class Salesforce:
    """Calls the service as Salesforce does: JSON in, JSON out, with a bearer token."""

    def __init__(self, token: str) -> None:
        self.client = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")

    def send(self, method: str, path: str, body: Any = None, **extra: Any) -> Any:
        """``body``: text as it goes over the wire, or something to be written as JSON."""
        if body is None:
            form = {}
        else:
            form = {"content_type": "application/json"} if isinstance(body, str) else {"format": "json"}
        url = path if path.startswith("/") else f"/api/salesforce/scheduler/{path}"
        return getattr(self.client, method.lower())(url, body, **{**form, **extra})

    def read(
        self, *emails: str, start: str = "2020-10-15T00:00:00Z", end: str = "2020-10-17T12:00:00Z"
    ) -> Any:
        """The rows of a Read for these addresses."""
        rows = [{"email": email, "serviceResourceId": str(n)} for n, email in enumerate(emails)]
        answer = self.send("POST", f"availability?from={start}&to={end}", rows)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def write(self, method: str, body: Any) -> dict[str, str]:
        """Address -> errorCode, in the order of the answer's rows."""
        answer = self.send(method, "postback", body)
        assert answer.status_code == 200, answer.content
        return {row["email"]: row["errorCode"] for row in answer.json()}


@pytest.fixture
def salesforce(org: Org) -> Salesforce:
    return Salesforce(token_for(org))


def utc(text: str) -> datetime:
    """ "2020-10-16 10:00" as an aware time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def busy(exchange: Simulator, address: str, start: str, end: str, show_as: str = "busy") -> Item:
    """Put an entry into a mailbox of the simulated Exchange."""
    mailbox = exchange.world.mailbox(address)
    assert mailbox is not None
    return mailbox.add_item("Private", utc(start), utc(end), show_as=show_as)


def held(exchange: Simulator, address: str) -> list[Item]:
    """What the calendar of a mailbox holds."""
    mailbox = exchange.world.mailbox(address)
    assert mailbox is not None
    return mailbox.calendar_items()


def event(*attendees: str, **changes: Any) -> dict[str, Any]:
    """The body of a Create, organized by test@contoso.com."""
    return {
        "id": "event-1",
        "organizerEmail": "test@contoso.com",
        "subject": "Advice",
        "body": "About mortgages",
        "location": "Room 1",
        "startTime": "2020-10-16T10:00:00Z",
        "endTime": "2020-10-16T11:00:00Z",
        "attendees": [{"email": email, "isRequired": True} for email in attendees],
        **changes,
    }
