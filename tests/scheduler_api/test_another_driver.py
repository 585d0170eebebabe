"""An Org whose driver is changed by hand: no Appointment is orphaned, and none is there twice."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from calendar_backends.base import Deadline
from calendar_backends.simulator import Simulator
from orgs.models import Org
from scheduler_api.downsync import converge
from scheduler_api.leases import take
from scheduler_api.models import Appointment
from scheduler_api.references import learn
from tests.conftest import Salesforce, event, held, options_for
from tests.scheduler_api.calls import ANNA, CARL, OK, TEST, delete, fault, resync, time_passes, update

OTHER = {"ews": "graph", "graph": "ews"}


def move(org: Org, exchange: Simulator) -> None:
    """As an admin does it."""
    org.backend = OTHER[org.backend]
    org.options = options_for(org.backend, exchange)
    org.save()


def subjects(exchange: Simulator, address: str = ANNA) -> list[str]:
    return [item.subject for item in held(exchange, address)]


def change(salesforce: Salesforce, *attendees: str, **changes: Any) -> dict[str, str]:
    return salesforce.write("PUT", update(event(ANNA), event(*attendees, **changes)))


@pytest.fixture
def booked(salesforce: Salesforce) -> None:
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}


@pytest.mark.usefixtures("booked")
def test_an_update_changes_what_the_other_driver_wrote(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    items = {address: held(exchange, address)[0].id for address in (TEST, ANNA)}
    move(org, exchange)
    assert change(salesforce, ANNA, subject="Moved") == {TEST: OK, ANNA: OK}
    assert {address: held(exchange, address)[0].id for address in (TEST, ANNA)} == items
    assert subjects(exchange) == subjects(exchange, TEST) == ["Moved"]


@pytest.mark.usefixtures("booked")
def test_a_delete_takes_away_what_the_other_driver_wrote(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    move(org, exchange)
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert held(exchange, TEST) == held(exchange, ANNA) == []


@pytest.mark.usefixtures("booked")
def test_leavers_and_newcomers_are_told_from_each_other(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    move(org, exchange)
    assert change(salesforce, CARL, subject="Moved") == {TEST: OK, CARL: OK, ANNA: OK}
    assert subjects(exchange, TEST) == subjects(exchange, CARL) == ["Moved"]
    assert held(exchange, ANNA) == []


@pytest.mark.usefixtures("booked")
def test_there_and_back_and_there(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    for number in range(4):
        move(org, exchange)
        assert change(salesforce, ANNA, subject=f"Number {number}") == {TEST: OK, ANNA: OK}
        assert subjects(exchange) == subjects(exchange, TEST) == [f"Number {number}"]


@pytest.mark.usefixtures("booked")
def test_an_org_that_is_provisioned_with_another_driver_keeps_working(
    org: Org, exchange: Simulator, salesforce: Salesforce, tmp_path: Path
) -> None:
    options = options_for(OTHER[org.backend], exchange)
    lines = [f'{name} = "{value}"' for name, value in options.items()]
    head = ["[[org]]", 'slug = "contoso"', f'backend = "{OTHER[org.backend]}"', "[org.options]"]
    (tmp_path / "contoso.toml").write_text("\n".join([*head, *lines]))
    call_command("provision", tmp_path / "contoso.toml")
    assert change(salesforce, ANNA, subject="Moved") == {TEST: OK, ANNA: OK}
    assert subjects(exchange) == ["Moved"]
    call_command("switch_backend", "contoso", "--back")
    assert Org.objects.get().connection == org.connection
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert held(exchange, TEST) == held(exchange, ANNA) == []


# --- while it is not known what the former driver did


@pytest.fixture(params=["commit_then_drop", "drop"])
def doubtful(request: pytest.FixtureRequest, exchange: Simulator, salesforce: Salesforce) -> None:
    """Nobody knows whether the organizer's Appointment was made."""
    fault(exchange, request.param, "create", times=1)
    fault(exchange, "status", "find", code=404)
    assert salesforce.write("POST", event())[TEST] != OK
    exchange.faults.clear()
    row = Appointment.objects.get()
    assert (row.item_ref, row.doubtful_until is None) == (None, False)


@pytest.mark.usefixtures("doubtful")
def test_an_update_finds_what_was_made_without_an_answer(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    move(org, exchange)
    assert salesforce.write("PUT", update(event(), event(subject="Moved"))) == {TEST: OK}
    assert subjects(exchange, TEST) == ["Moved"]


@pytest.mark.usefixtures("doubtful")
def test_a_delete_finds_what_was_made_without_an_answer(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    move(org, exchange)
    assert salesforce.write("DELETE", delete()) == {TEST: OK}
    assert held(exchange, TEST) == []


@pytest.mark.usefixtures("doubtful")
def test_the_repair_finds_what_was_made_without_an_answer(org: Org, exchange: Simulator) -> None:
    move(org, exchange)
    assert resync()[0] == 0
    assert subjects(exchange, TEST) == ["Advice"]


@pytest.mark.usefixtures("doubtful")
def test_what_the_former_driver_carries_out_late_is_reduced_to_one(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    move(org, exchange)
    salesforce.write("PUT", update(event(), event(subject="Moved")))
    item, mailbox = held(exchange, TEST)[0], exchange.world.mailbox(TEST)
    assert mailbox
    mailbox.add_item("Late", item.start, item.end, properties=dict(item.properties))
    time_passes(settings.SETTLING_TIME + 1)
    assert resync()[0] == 0
    assert subjects(exchange, TEST) == ["Moved"]


@pytest.mark.usefixtures("booked")
def test_what_a_process_still_does_with_the_former_driver_is_found(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    """It had read the Org before it was changed, and took the Appointments afterwards."""
    former = Org.objects.get()
    move(org, exchange)
    Appointment.objects.update(doubtful_until="2020-01-01T00:00Z", due_at="2020-01-01T00:00Z")
    converge(former, take(Appointment.objects.all(), Deadline.after(20)), Deadline.after(20))
    assert change(salesforce, ANNA, subject="Moved") == {TEST: OK, ANNA: OK}
    assert subjects(exchange) == subjects(exchange, TEST) == ["Moved"]


# --- what the new driver calls the items


@pytest.mark.usefixtures("booked")
def test_verifying_takes_over_what_the_other_driver_wrote(org: Org, exchange: Simulator) -> None:
    before = list(Appointment.objects.values_list("item_ref", "backend", "modified"))
    assert resync("--verify")[0] == 0
    assert list(Appointment.objects.values_list("item_ref", "backend", "modified")) == before
    move(org, exchange)
    assert resync("--verify", "--dry-run")[0] == 0
    assert list(Appointment.objects.values_list("item_ref", "backend", "modified")) == before
    assert resync("--verify")[0] == 0
    for row in Appointment.objects.all():
        [item] = held(exchange, row.mailbox)
        assert row.backend == org.backend
        assert row.item_ref == {"ews": item.id, "graph": item.immutable_id}[org.backend]


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("busy", [{"lease": "6f1f0f3e-4f5b-4a86-b0a5-2b6b0a3c7e11"}, {"item_ref": "newer"}])
def test_what_somebody_else_works_on_is_not_taken_over(
    org: Org, exchange: Simulator, busy: dict[str, str]
) -> None:
    rows = list(Appointment.objects.select_related("event__org").filter(mailbox=ANNA))
    move(org, exchange)
    held_now = org.calendar().held(ANNA, "contoso/", Deadline.after(20), whole=False)
    Appointment.objects.update(**busy)
    before = list(Appointment.objects.values_list("item_ref", "backend"))
    learn(org, rows, held_now)
    assert list(Appointment.objects.values_list("item_ref", "backend")) == before


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("ref", ["AAMk-of_another=", "QUFN"])
def test_a_reference_of_another_server_is_looked_up(
    exchange: Simulator, salesforce: Salesforce, ref: str
) -> None:
    """The mailboxes moved to another Exchange, and the driver's name stayed the same."""
    Appointment.objects.update(item_ref=ref)
    assert change(salesforce, ANNA, subject="Moved") == {TEST: OK, ANNA: OK}
    assert subjects(exchange) == subjects(exchange, TEST) == ["Moved"]
    Appointment.objects.update(item_ref=ref)
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert held(exchange, TEST) == held(exchange, ANNA) == []
