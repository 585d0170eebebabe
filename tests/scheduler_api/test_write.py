"""Create, Update, Delete: one plain Appointment per mailbox, and a row for each."""

from typing import Any

import pytest

from calendar_backends.simulator import Fault, Simulator
from orgs.models import Org, Person
from scheduler_api.models import Appointment, Event
from tests.conftest import PEOPLE, Salesforce, event, held, token_for, utc

TEST, ORGANIZER, ANNA, CARL = PEOPLE
OK, NOT_FOUND, NEVER_SEEN = "NoError", "ErrorMailRecipientNotFound", "ErrorItemNotFound"


def update(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {"original": old, "new": {name: value for name, value in new.items() if name != "id"}}


def delete(*attendees: str, **changes: Any) -> dict[str, Any]:
    return {"id": "event-1", "organizerEmail": TEST, "attendees": list(attendees), **changes}


def test_create_puts_a_plain_appointment_into_each_calendar(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}
    for address in (TEST, ANNA):
        [item] = held(exchange, address)
        assert (item.subject, item.body, item.location) == ("Advice", "About mortgages", "Room 1")
        assert (item.start, item.end) == (utc("2020-10-16 10:00"), utc("2020-10-16 11:00"))
        assert (item.show_as, item.is_all_day, item.body_type) == ("busy", False, "text")
        assert list(item.properties.values()) == ["contoso/event-1"]


def test_nobody_is_ever_invited_or_sent_a_mail(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    salesforce.write("PUT", update(event(ANNA), event(CARL)))
    salesforce.write("DELETE", delete(CARL))
    for mailbox in exchange.world.mailboxes():
        assert mailbox.invitations_sent == []
        assert not any(item.is_meeting for item in mailbox.items)


def test_each_address_is_written_once_and_the_organizer_comes_first(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    answer = salesforce.send("POST", "postback", event(ANNA, TEST.upper(), ANNA.upper()))
    assert [row["email"] for row in answer.json()] == [TEST, ANNA]
    assert len(held(exchange, TEST)) == len(held(exchange, ANNA)) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "email", ["stranger@contoso.com", "gone@contoso.com", "alias@contoso.com", "not an address"]
)
def test_whoever_has_no_mailbox_of_their_own_is_not_found(
    salesforce: Salesforce, method: str, email: str
) -> None:
    """Not a user of the Org, a user without mailbox, an alias, and no address at all."""
    body = {"POST": event(email), "PUT": update(event(email), event(email)), "DELETE": delete(email)}[method]
    if method == "DELETE":
        salesforce.write("POST", event())
    assert salesforce.write(method, body) == {TEST: OK, email: NOT_FOUND}


def test_a_disabled_user_gets_nothing(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    Person.objects.filter(email=ANNA).update(active=False)
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: NOT_FOUND}
    assert held(exchange, ANNA) == []


def test_a_repeated_create_changes_what_is_there(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    assert salesforce.write("POST", event(ANNA, subject="Moved")) == {TEST: OK, ANNA: OK}
    assert [item.subject for item in held(exchange, ANNA)] == ["Moved"]


def test_update_gives_newcomers_one_takes_the_leavers_and_changes_the_rest(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    old = event(ANNA)
    new = event(CARL, startTime="2020-10-16T12:00:00Z", endTime="2020-10-16T13:00:00Z")
    salesforce.write("POST", old)
    assert salesforce.write("PUT", update(old, new)) == {TEST: OK, CARL: OK, ANNA: OK}
    assert held(exchange, ANNA) == []
    assert [item.start for item in held(exchange, TEST)] == [utc("2020-10-16 12:00")]
    assert [item.start for item in held(exchange, CARL)] == [utc("2020-10-16 12:00")]


def test_update_may_change_the_organizer(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    new = event(ANNA, organizerEmail=ORGANIZER)
    answer = salesforce.send("PUT", "postback", update(event(ANNA), new)).json()
    assert [row["email"] for row in answer] == [ORGANIZER, ANNA, TEST]
    assert (len(held(exchange, ORGANIZER)), len(held(exchange, TEST))) == (1, 0)


def test_update_leaves_alone_what_the_person_added(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    [item] = held(exchange, ANNA)
    item.categories, item.reminder_minutes = ["Red"], 45
    salesforce.write("PUT", update(event(ANNA), event(ANNA, subject="Moved")))
    [item] = held(exchange, ANNA)
    assert (item.subject, item.categories, item.reminder_minutes) == ("Moved", ["Red"], 45)


def test_update_of_an_unknown_event_creates_it(exchange: Simulator, salesforce: Salesforce) -> None:
    assert salesforce.write("PUT", update(event(CARL), event(ANNA))) == {TEST: OK, ANNA: OK, CARL: OK}
    assert len(held(exchange, ANNA)) == 1


def test_whoever_the_ledger_knows_is_a_leaver_even_if_original_does_not_say_so(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    salesforce.write("POST", event(ANNA, CARL))
    assert salesforce.write("PUT", update(event(), event(ANNA))) == {TEST: OK, ANNA: OK, CARL: OK}
    assert held(exchange, CARL) == []


def test_an_update_puts_back_what_the_person_deleted(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    mailbox = exchange.world.mailbox(ANNA)
    assert mailbox
    mailbox.delete(held(exchange, ANNA)[0])
    assert salesforce.write("PUT", update(event(ANNA), event(ANNA, subject="Again")))[ANNA] == OK
    assert [item.subject for item in held(exchange, ANNA)] == ["Again"]


def test_delete_moves_to_deleted_items(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert held(exchange, ANNA) == []
    mailbox = exchange.world.mailbox(ANNA)
    assert mailbox
    assert [item.folder for item in mailbox.items] == ["deleteditems"]


def test_delete_of_what_the_person_deleted_is_no_error(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    mailbox = exchange.world.mailbox(ANNA)
    assert mailbox
    mailbox.delete(held(exchange, ANNA)[0])
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}


def test_delete_of_what_was_deleted_is_no_error(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    salesforce.write("DELETE", delete(ANNA))
    exchange.reset()
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert exchange.round_trips() == 0


def test_delete_of_what_was_never_seen_says_so_every_time(salesforce: Salesforce) -> None:
    for _ in range(2):
        assert salesforce.write("DELETE", delete(ANNA)) == {TEST: NEVER_SEEN, ANNA: NEVER_SEEN}


def test_delete_by_id_alone_takes_it_from_everybody(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    assert salesforce.write("DELETE", {"id": "event-1"}) == {TEST: OK, ANNA: OK}
    assert held(exchange, TEST) == held(exchange, ANNA) == []


def test_delete_reads_its_fields_from_the_query(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA, CARL))
    query = f"id=event-1&organizerEmail={TEST}&attendees={ANNA},{CARL}&salesforceCorrelationId=q-1"
    answer = salesforce.send("DELETE", f"postback?{query}")
    assert [row["email"] for row in answer.json()] == [TEST, ANNA, CARL]
    assert answer["X-Salesforce-Correlation-Id"] == "q-1"
    assert held(exchange, CARL) == []


def test_delete_is_accepted_as_a_post(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    answer = salesforce.send("POST", "postback/delete", delete(ANNA))
    assert answer.json() == [{"email": TEST, "errorCode": OK}, {"email": ANNA, "errorCode": OK}]
    assert held(exchange, ANNA) == []


def test_delete_without_an_id_is_refused_and_never_a_success(salesforce: Salesforce) -> None:
    answer = salesforce.send("DELETE", "postback")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "id"


def test_an_event_that_was_deleted_can_be_booked_again_later(
    exchange: Simulator, salesforce: Salesforce, settings: Any
) -> None:
    settings.TOMBSTONE_WINDOW = 0
    salesforce.write("POST", event(ANNA))
    salesforce.write("DELETE", delete(ANNA))
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}
    assert len(held(exchange, ANNA)) == 1


def test_who_left_long_ago_is_in_no_answer(salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA, CARL))
    salesforce.write("PUT", update(event(ANNA, CARL), event(ANNA)))
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert salesforce.write("DELETE", {"id": "event-1"}) == {TEST: OK, ANNA: OK, CARL: OK}


@pytest.mark.parametrize("value", [True, False, "true", "FALSE", "True"])
def test_is_required_is_a_boolean_or_its_string(salesforce: Salesforce, value: Any) -> None:
    body = event(attendees=[{"email": ANNA, "isRequired": value}])
    assert salesforce.write("POST", body)[ANNA] == OK


def test_attendees_may_be_plain_addresses_and_unknown_fields_are_ignored(salesforce: Salesforce) -> None:
    assert salesforce.write("POST", event(attendees=[ANNA], color="red")) == {TEST: OK, ANNA: OK}


@pytest.mark.parametrize(
    ("changes", "attr"),
    [
        ({"id": ""}, "id"),
        ({"organizerEmail": None}, "organizerEmail"),
        ({"startTime": "2020-10-16 10:00"}, "startTime"),
        ({"startTime": "2020-10-16T10:00:00"}, "startTime"),
        ({"endTime": "2020-10-16T10:00:00Z"}, "endTime"),
        ({"attendees": [{"isRequired": True}]}, "attendees.0.email"),
        ({"attendees": [{"email": ANNA, "isRequired": "maybe"}]}, "attendees.0.isRequired"),
        ({"attendees": [7]}, "attendees.0"),
        ({"attendees": ANNA}, "attendees"),
        ({"subject": ["a"]}, "subject"),
    ],
)
def test_a_bad_field_is_refused_by_name_and_nothing_is_written(
    exchange: Simulator, salesforce: Salesforce, changes: dict[str, Any], attr: str
) -> None:
    answer = salesforce.send("POST", "postback", event(**changes))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith(attr)
    assert exchange.round_trips() == 0


def test_a_bad_field_of_an_update_is_named_with_its_place(salesforce: Salesforce) -> None:
    answer = salesforce.send("PUT", "postback", update(event(), event(endTime="soon")))
    assert [error["attr"] for error in answer.json()["errors"]] == ["new.endTime"]


def test_writing_needs_the_right(org: Org, exchange: Simulator) -> None:
    caller = Salesforce(token_for(org, ANNA))
    for method, body in (("POST", event()), ("PUT", update(event(), event())), ("DELETE", delete())):
        answer = caller.send(method, "postback", body)
        assert answer.status_code == 403
        assert "updateOrganization" in answer.json()["errors"][0]["detail"]
    assert caller.send("POST", "postback/delete", delete()).status_code == 403
    assert exchange.round_trips() == 0


def test_one_mailbox_that_fails_does_not_stop_the_others(exchange: Simulator, salesforce: Salesforce) -> None:
    exchange.world.mailbox(ANNA).state = "store_unavailable"  # type: ignore[union-attr]
    codes = salesforce.write("POST", event(ANNA, CARL))
    assert (codes[TEST], codes[CARL]) == (OK, OK)
    assert codes[ANNA] not in (OK, NOT_FOUND)
    exchange.world.mailbox(ANNA).state = "ok"  # type: ignore[union-attr]
    assert salesforce.write("POST", event(ANNA, CARL)) == {TEST: OK, ANNA: OK, CARL: OK}
    assert [len(held(exchange, address)) for address in (TEST, ANNA, CARL)] == [1, 1, 1]


@pytest.mark.parametrize("kind", ["commit_then_drop", "drop"])
def test_a_create_whose_answer_was_lost_is_looked_up_and_not_repeated(
    exchange: Simulator, salesforce: Salesforce, kind: str
) -> None:
    exchange.faults.add(Fault(kind, operation="ews.CreateItem", times=1))
    exchange.faults.add(Fault(kind, operation="graph.$batch", times=1))
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}
    assert len(held(exchange, TEST)) == len(held(exchange, ANNA)) == 1


def test_a_create_cut_off_by_the_deadline_is_finished_by_the_next_call(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    Org.objects.update(write_deadline=1)
    fault = exchange.faults.add(Fault("commit_then_hang", operation="*", mailbox=ANNA, seconds=20))
    batch = exchange.faults.add(Fault("commit_then_hang", operation="graph.$batch", seconds=20))
    assert salesforce.write("POST", event(ANNA))[ANNA] == "ErrorTimeoutExpired"
    assert Appointment.objects.get(mailbox=ANNA).behind
    exchange.faults.remove(fault)
    exchange.faults.remove(batch)
    Org.objects.update(write_deadline=20)
    assert salesforce.write("POST", event(ANNA))[ANNA] == OK
    assert len(held(exchange, ANNA)) == 1


def test_the_ledger_holds_no_content_in_the_clear(org: Org, salesforce: Salesforce) -> None:
    from django.db import connection

    salesforce.write("POST", event(subject="Divorce", body="of the Smiths", location="Chambers"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM scheduler_api_event")
        row = str(cursor.fetchall())
    assert not any(word in row for word in ("Divorce", "Smiths", "Chambers"))
    assert Event.objects.get().content["subject"] == "Divorce"
