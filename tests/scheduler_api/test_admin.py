"""The ledger in the admin: what is where and how far it is, and nothing of what it says."""

import html
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calendar_backends.simulator import Simulator
from orgs.models import Org
from scheduler_api import admin
from scheduler_api.models import Appointment, Event
from tests.conftest import Salesforce, event

ANNA = "attendee1@contoso.com"
EVENTS = "/admin/scheduler_api/event/"
PAST = datetime(2020, 10, 16, 10, 30, tzinfo=UTC)
FUTURE = datetime(2099, 10, 16, 10, 30, tzinfo=UTC)

#: What a row of each state holds, and how it is described. The Event is at version 2.
STATES: dict[str, tuple[dict[str, Any], str]] = {
    "settled": ({"applied_version": 2}, "settled"),
    "due": ({"due_at": PAST, "attempts": 1}, "due since 2020-10-16 10:30:00"),
    "left": ({"due_at": PAST, "lease": uuid.uuid4()}, "due since 2020-10-16 10:30:00"),
    "in_work": ({"due_at": FUTURE, "lease": uuid.uuid4()}, "in work until 2099-10-16 10:30:00"),
    "waiting": ({"due_at": FUTURE, "attempts": 3}, "waiting until 2099-10-16 10:30:00"),
    "doubtful": (
        {"applied_version": 2, "due_at": FUTURE, "doubtful_until": FUTURE},
        "looked at again at 2099-10-16 10:30:00",
    ),
    "parked": ({"attempts": 16, "error_code": "ErrorNonExistentMailbox"}, "parked"),
}


@pytest.fixture
def backend() -> str:
    return "ews"


@pytest.fixture
def contoso(db: None) -> Org:
    return Org.objects.create(slug="contoso", name="Contoso", backend="ews")


def row_of(org: Org, name: str, state: str, **changes: Any) -> Appointment:
    """An Event of that name with one Appointment in that state."""
    found, _ = Event.objects.get_or_create(
        org=org, salesforce_id=name, defaults={"version": 2, "content": {"subject": "Divorce"}}
    )
    mailbox = f"{state}@contoso.com"
    return Appointment.objects.create(
        event=found,
        **{
            "mailbox": mailbox,
            "wanted": True,
            "version": 2,
            "applied_version": 1,
            **STATES[state][0],
            **changes,
        },
    )


def text_of(browser: Browser, path: str = "") -> str:
    """What a page says, without its markup."""
    answer = browser.get(EVENTS + path)
    assert answer.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def listed(browser: Browser, query: str = "") -> set[str]:
    """The Events that the list shows."""
    page = browser.get(EVENTS + query).content.decode()
    return set(re.findall(r'/change/[^"]*">([^<]+)</a>', page))


def test_the_ledger_shows_what_went_wrong_and_not_what_it_says(
    exchange: Simulator, salesforce: Salesforce, admin_client: Browser
) -> None:
    exchange.world.mailbox(ANNA).state = "store_unavailable"  # type: ignore[union-attr]
    salesforce.write("POST", event(ANNA, subject="Divorce", body="of the Smiths", location="Chambers"))
    overview = text_of(admin_client)
    page = text_of(admin_client, f"{Event.objects.get().pk}/change/")
    assert "current 1 waiting, 1 settled ErrorMailboxStoreUnavailable" in overview
    assert "NoError" not in overview
    assert f"{ANNA} " in page
    assert "waiting until" in page
    assert not any(word in overview + page for word in ("Divorce", "Smiths", "Chambers"))


@pytest.mark.parametrize("state", STATES)
def test_an_event_shows_the_state_of_each_appointment(
    contoso: Org, admin_client: Browser, state: str
) -> None:
    row = row_of(contoso, "event-1", state, error_code="ErrorServerBusy", attempts=11)
    page = text_of(admin_client, f"{row.event.pk}/change/")
    assert f"{STATES[state][1]} 11 ErrorServerBusy" in page


def test_an_appointment_of_a_forgotten_event_is_forgotten_unless_it_is_to_be_taken_away(
    contoso: Org, admin_client: Browser
) -> None:
    row_of(contoso, "event-1", "settled")
    row = row_of(contoso, "event-1", "parked", wanted=False)
    Event.objects.update(content=None)
    assert "forgotten 1 parked, 1 forgotten ErrorNonExistentMailbox" in text_of(admin_client)
    assert "forgotten 0" in text_of(admin_client, f"{row.event.pk}/change/")


def test_the_list_counts_the_states_of_its_events(contoso: Org, admin_client: Browser) -> None:
    for state in STATES:
        row_of(contoso, "event-1", state)
    counts = (
        "current 2 due, 1 in work, 1 waiting, 1 parked, 1 looked at again, 1 settled ErrorNonExistentMailbox"
    )
    assert counts in text_of(admin_client)


def test_the_list_can_be_narrowed_to_a_state(contoso: Org, admin_client: Browser) -> None:
    for state in STATES:
        row_of(contoso, f"event-{state}", state)
        row_of(contoso, f"event-{state}", "settled", mailbox=ANNA)
    assert listed(admin_client, "?state=due") == {"event-due", "event-left"}
    assert listed(admin_client, "?state=in_work") == {"event-in_work"}
    assert listed(admin_client, "?state=waiting") == {"event-waiting", "event-doubtful"}
    assert listed(admin_client, "?state=parked") == {"event-parked"}
    assert listed(admin_client, "?state=settled") == {"event-settled"}
    assert listed(admin_client) == {f"event-{state}" for state in STATES}


def test_no_page_decrypts_a_content(contoso: Org, admin_client: Browser) -> None:
    row = row_of(contoso, "event-1", "due")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE scheduler_api_event SET content = 'what no key opens'")
    for path in ("", "?q=event-1", "?state=due", f"{row.event.pk}/change/"):
        assert "event-1" in text_of(admin_client, path)


def test_a_page_asks_as_often_for_many_events_as_for_one(
    contoso: Org, admin_client: Browser, django_assert_num_queries: Any
) -> None:
    row_of(contoso, "event-1", "due")
    with CaptureQueriesContext(connection) as one:
        text_of(admin_client)
    for number in range(2, 20):
        row_of(contoso, f"event-{number}", "due")
        row_of(contoso, f"event-{number}", "parked")
    with django_assert_num_queries(len(one)):
        text_of(admin_client)


def test_the_list_counts_no_further_than_can_be_paged_through(
    contoso: Org, admin_client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MOST_LISTED", 2)
    monkeypatch.setattr(admin.EventAdmin, "list_per_page", 1)
    for number in range(4):
        row_of(contoso, f"event-{number}", "due")
    assert " 2 events " in text_of(admin_client)
    assert listed(admin_client) == {"event-3"}
    assert listed(admin_client, "?p=2") == {"event-2"}
    assert listed(admin_client, "?q=event-0") == {"event-0"}


@pytest.mark.parametrize("path", ["add/", "{}/delete/"])
def test_nobody_writes_the_ledger_by_hand(contoso: Org, admin_client: Browser, path: str) -> None:
    row = row_of(contoso, "event-1", "due")
    assert admin_client.get(EVENTS + path.format(row.event.pk)).status_code == 403
    assert "Save" not in text_of(admin_client, f"{row.event.pk}/change/")


def test_it_is_found_by_its_whole_id_or_a_whole_address(contoso: Org, admin_client: Browser) -> None:
    row_of(contoso, "event-1", "due", mailbox="Anna@contoso.com")
    row_of(contoso, "event-2", "due")
    assert listed(admin_client, "?q=event-1") == {"event-1"}
    assert listed(admin_client, "?q=anna@Contoso.com") == {"event-1"}
    assert listed(admin_client, "?q=nobody@contoso.com") == listed(admin_client, "?q=event") == set()


def try_again(browser: Browser, *events: Event) -> str:
    chosen = [str(event.pk) for event in events]
    form = {"action": "try_again", "_selected_action": chosen}
    answer = browser.post(EVENTS, form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_try_again_now_revives_what_is_parked_or_waiting(contoso: Org, admin_client: Browser) -> None:
    rows = {state: row_of(contoso, "event-1", state) for state in STATES}
    before = dict(Appointment.objects.values_list("mailbox", "due_at"))
    other = row_of(contoso, "event-2", "parked")
    assert "3 Appointments are due now" in try_again(admin_client, rows["due"].event)
    revived = {rows[state].mailbox for state in ("waiting", "doubtful", "parked")}
    for row in Appointment.objects.filter(event=rows["due"].event):
        if row.mailbox in revived:
            assert row.due_at is not None
            assert abs(row.due_at - timezone.now()) < timedelta(minutes=1)
            assert row.attempts == 0
        else:
            assert row.due_at == before[row.mailbox]
    other.refresh_from_db()
    assert (other.due_at, other.attempts) == (None, 16)


def test_try_again_now_calls_nobody(
    exchange: Simulator, salesforce: Salesforce, admin_client: Browser
) -> None:
    exchange.world.mailbox(ANNA).state = "store_unavailable"  # type: ignore[union-attr]
    salesforce.write("POST", event(ANNA))
    asked = exchange.counters.total()
    assert "1 Appointments are due now" in try_again(admin_client, Event.objects.get())
    assert exchange.counters.total() == asked


@pytest.mark.parametrize(("right", "allowed"), [("change_event", True), ("view_event", False)])
def test_try_again_now_needs_the_right_to_change_events(
    contoso: Org, client: Browser, right: str, allowed: bool
) -> None:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=[right, "view_event"]))
    client.force_login(user)
    row = row_of(contoso, "event-1", "parked")
    assert ("Try again now" in client.get(EVENTS).content.decode()) is allowed
    try_again(client, row.event)
    assert Appointment.objects.due().exists() is allowed
