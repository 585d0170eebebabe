"""manage.py resync: finish what is due, compare with the calendars, rebuild the ledger."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Item, Mailbox
from orgs.models import Org, Person
from scheduler_api import leases
from scheduler_api.models import Appointment, Event
from tests.conftest import PEOPLE, Salesforce, event, held, utc
from tests.scheduler_api.calls import (
    ANNA,
    CARL,
    LEFT,
    OK,
    ORGANIZER,
    TEST,
    delete,
    ledger,
    resync,
    take_down,
    time_passes,
    update,
)

Spoil = Callable[[Mailbox, Item], object]


def unfinished(exchange: Simulator, salesforce: Salesforce, *bodies: dict[str, Any]) -> None:
    """Creates during an outage."""
    Org.objects.update(write_deadline=1)
    take_down(exchange)
    for body in bodies or [event(ANNA)]:
        salesforce.write("POST", body)
    Org.objects.update(write_deadline=20)
    exchange.reset()


def dump_mailboxes(exchange: Simulator) -> list[dict[str, Any]]:
    return [mailbox.to_dict() for mailbox in exchange.world.mailboxes()]


def mailbox_of(exchange: Simulator, address: str) -> Mailbox:
    mailbox = exchange.world.mailbox(address)
    assert mailbox
    return mailbox


def subjects(exchange: Simulator, address: str = ANNA) -> list[str]:
    return [item.subject for item in held(exchange, address)]


def writes(exchange: Simulator) -> int:
    words = ("CreateItem", "UpdateItem", "DeleteItem", "POST events", "PATCH", "DELETE event")
    return sum(n for name, n in exchange.counters.items() if any(word in name for word in words))


# --- what it says and how it ends


def test_where_nothing_is_due_it_says_so_and_ends_with_0(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    exchange.reset()
    assert resync() == (
        0,
        "resync: 0 done, 0 failed and will be tried again, 0 parked, 0 left to another worker.\n",
    )
    assert exchange.round_trips() == 0


def test_it_says_what_it_did(exchange: Simulator, salesforce: Salesforce) -> None:
    unfinished(exchange, salesforce)
    assert resync()[1].startswith("resync: 2 done, 0 failed")
    assert subjects(exchange) == ["Advice"]


def test_what_is_left_is_the_exit_status(
    exchange: Simulator, salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished(exchange, salesforce)
    mailbox_of(exchange, ANNA).state = "denied"
    status, said = resync()
    assert (status, said.startswith("resync: 1 done, 1 failed")) == (LEFT, True)
    monkeypatch.setattr(leases, "MOST_ATTEMPTS", 1)
    status, said = resync()
    assert (status, "0 failed and will be tried again, 1 parked" in said) == (LEFT, True)


@pytest.mark.parametrize(
    "arguments",
    [["--org", "nobody"], ["--since", "yesterday"], ["--since", "2026-13-45"], ["--loop", "--dry-run"],
     ["--verify", "--adopt"], ["--verify", "--loop"]],
)  # fmt: skip
def test_a_wrong_option_is_refused(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("resync", *arguments)


def test_an_org_that_is_not_active_is_refused_and_left_out(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    unfinished(exchange, salesforce)
    Org.objects.update(active=False)
    with pytest.raises(CommandError, match="not active"):
        resync("--org", "contoso")
    assert resync()[1].startswith("resync: 0 done")
    assert exchange.round_trips() == 0


# --- which


@pytest.mark.parametrize(
    ("arguments", "done"),
    [
        ([], 4),
        (["--org", "contoso"], 4),
        (["--event", "event-2"], 2),
        (["--mailbox", ANNA.upper()], 1),
        (["--mailbox", TEST, "--event", "event-1"], 1),
        (["--event", "nothing"], 0),
        (["--since", "2000-01-01"], 4),
        (["--since", "2099-01-01T08:00:00Z"], 0),
    ],
)
def test_it_can_be_narrowed(
    exchange: Simulator, salesforce: Salesforce, arguments: list[str], done: int
) -> None:
    unfinished(exchange, salesforce, event(ANNA), event(CARL, id="event-2"))
    assert resync(*arguments)[1].startswith(f"resync: {done} done")
    assert sum(len(held(exchange, address)) for address in PEOPLE) == done


def test_since_is_when_salesforce_spoke_of_the_event(exchange: Simulator, salesforce: Salesforce) -> None:
    unfinished(exchange, salesforce)
    Event.objects.update(declared=utc("2026-03-01 12:00"))
    assert resync("--since", "2026-03-01T12:00:01Z")[1].startswith("resync: 0 done")
    assert resync("--since", "2026-03-01")[1].startswith("resync: 2 done")


def test_another_org_is_left_alone(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    unfinished(exchange, salesforce)
    Org.objects.create(slug="fabrikam", name="Fabrikam", backend=org.backend, options=org.options)
    assert resync("--org", "fabrikam")[1].startswith("resync: 0 done")
    assert resync("--org", "fabrikam", "--org", "contoso")[1].startswith("resync: 2 done")


# --- without touching anything


@pytest.mark.parametrize("how", [[], ["--parked"], ["--verify"], ["--adopt"]])
def test_a_dry_run_shows_everything_and_touches_nothing(
    exchange: Simulator, salesforce: Salesforce, how: list[str]
) -> None:
    salesforce.write("POST", event(ANNA, id="event-0"))
    held(exchange, ANNA)[0].subject = "Edited"
    salesforce.write("POST", event(ANNA, id="event-3"))
    Appointment.objects.filter(event__salesforce_id="event-3").delete()
    Event.objects.filter(salesforce_id="event-3").delete()
    unfinished(exchange, salesforce)
    before, mailboxes = ledger(), dump_mailboxes(exchange)
    status, said = resync("--dry-run", *how)
    assert status == LEFT
    assert (ledger(), dump_mailboxes(exchange), writes(exchange)) == (before, mailboxes, 0)
    shown = {"--verify": "changed: subject", "--adopt": "event-3"}
    assert all(word in said for word in ("contoso", ANNA, shown.get("".join(how), "event-1")))
    assert exchange.round_trips() == 0 or how[0] in ("--verify", "--adopt")


def test_the_table_says_what_is_to_be_done_and_why_it_is_not(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    salesforce.write("POST", event(ANNA, id="event-0"))
    Org.objects.update(write_deadline=1)
    take_down(exchange)
    salesforce.write("DELETE", delete(ANNA, id="event-0"))
    salesforce.write("POST", event(ANNA))
    said = resync("--dry-run")[1].splitlines()
    assert said[0].split() == ["org", "event", "mailbox", "what", "state", "tries", "last"]
    assert sorted(line.split()[1:4] for line in said[2:6]) == [
        ["event-0", ANNA, "remove"],
        ["event-0", TEST, "remove"],
        ["event-1", ANNA, "write"],
        ["event-1", TEST, "write"],
    ]
    assert all(" waiting until " in line and "Error" in line for line in said[2:6])
    assert said[6:] == ["resync: 4 to do. Nothing was changed."]
    time_passes(3600)
    assert all(" due " in line for line in resync("--dry-run")[1].splitlines()[2:6])


# --- verify


def _remove(mailbox: Mailbox, item: Item) -> None:
    mailbox.delete(item, "HardDelete")


def _throw_away(mailbox: Mailbox, item: Item) -> None:
    mailbox.delete(item)


def _copy(mailbox: Mailbox, item: Item) -> None:
    mailbox.add_item("Copy", item.start, item.end, properties=dict(item.properties))


def _move(mailbox: Mailbox, item: Item) -> None:
    item.start, item.end = item.start + timedelta(hours=1), item.end + timedelta(hours=2)


def _set(**values: Any) -> Spoil:
    return lambda mailbox, item: mailbox.update(item, **values)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (_remove, "missing"),
        (_throw_away, "missing"),
        (_copy, "2 copies"),
        (_move, "changed: times"),
        (_set(subject="Edited", location="Elsewhere"), "changed: location, subject"),
        (_set(body="Rewritten"), "changed: body"),
        (_set(show_as="free"), "changed: show as"),
        (_set(properties={}), "missing"),
    ],
    ids=["removed", "thrown-away", "copied", "moved", "renamed", "rewritten", "shown-as-free", "unstamped"],
)
def test_verify_finds_and_repairs_what_does_not_agree(
    exchange: Simulator, salesforce: Salesforce, spoil: Spoil, what: str
) -> None:
    salesforce.write("POST", event(ANNA))
    spoil(mailbox_of(exchange, ANNA), held(exchange, ANNA)[0])
    status, said = resync("--verify")
    assert status == 0
    [line] = [line for line in said.splitlines() if line.startswith("contoso")]
    assert line.split(maxsplit=3) == ["contoso", "event-1", ANNA, what]
    assert "verify: 1 to repair, 0 that cannot be repaired so." in said
    assert said.splitlines()[-1].startswith("resync: 1 done, 0 failed")
    ours = [item for item in held(exchange, ANNA) if item.properties]
    assert [(item.subject, item.body, item.location, item.show_as) for item in ours] == [
        ("Advice", "About mortgages", "Room 1", "busy")
    ]
    assert (ours[0].start, ours[0].end) == (utc("2020-10-16 10:00"), utc("2020-10-16 11:00"))
    assert resync("--verify")[0] == 0
    assert "verify: 0 to repair" in resync("--verify")[1]


def test_verify_takes_away_what_should_not_be_there(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA, CARL))
    [item] = held(exchange, CARL)
    mailbox = mailbox_of(exchange, CARL)
    salesforce.write("PUT", update(event(ANNA, CARL), event(ANNA)))
    mailbox.move(item, "calendar")  # the person takes it out of the bin
    status, said = resync("--verify")
    assert (status, "not taken away" in said) == (0, True)
    assert held(exchange, CARL) == []


def test_verify_leaves_alone_what_agrees_and_what_is_the_persons(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    salesforce.write("POST", event(ANNA))
    [item] = held(exchange, ANNA)
    mailbox = mailbox_of(exchange, ANNA)
    mailbox.update(item, categories=["Red"], reminder_minutes=45)
    own = mailbox.add_item("Own", item.start, item.end)
    before = dump_mailboxes(exchange)
    exchange.reset()
    assert resync("--verify")[0] == 0
    assert (writes(exchange), dump_mailboxes(exchange)) == (0, before)
    assert own in held(exchange, ANNA)


def test_verify_finishes_what_is_due_first(exchange: Simulator, salesforce: Salesforce) -> None:
    unfinished(exchange, salesforce)
    assert resync("--verify")[0] == 0
    assert subjects(exchange) == ["Advice"]


def test_verify_tells_of_what_it_cannot_read_or_does_not_know(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    salesforce.write("POST", event(ANNA, CARL))
    mailbox = mailbox_of(exchange, ANNA)
    [item] = held(exchange, ANNA)
    [(key, _)] = item.properties.items()
    mailbox.add_item("Stray", item.start, item.end, properties={key: "contoso/event-99"})
    mailbox.add_item("Another org's", item.start, item.end, properties={key: "fabrikam/event-1"})
    mailbox_of(exchange, CARL).state = "store_unavailable"
    status, said = resync("--verify")
    lines = [line.split(maxsplit=3)[1:] for line in said.splitlines() if line.startswith("contoso")]
    assert ["event-99", ANNA, "not in the ledger"] in lines
    assert [line[1] for line in lines if "cannot be read" in line[2]] == [CARL]
    assert len(lines) == 2
    assert (status, "0 to repair, 2 that cannot" in said) == (LEFT, True)
    assert sorted(subjects(exchange)) == ["Advice", "Another org's", "Stray"]


def test_verify_can_be_narrowed(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    for address in (ANNA, TEST):
        held(exchange, address)[0].subject = "Edited"
    assert resync("--verify", "--mailbox", ANNA)[0] == 0
    assert (subjects(exchange), subjects(exchange, TEST)) == (["Advice"], ["Edited"])


# --- adopt


def _lose_the_ledger() -> None:
    Appointment.objects.all().delete()
    Event.objects.all().delete()


def test_a_lost_ledger_is_rebuilt_and_everything_goes_on(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    salesforce.write("POST", event(CARL, id="event-2", subject="Second"))
    _lose_the_ledger()
    before = dump_mailboxes(exchange)
    exchange.reset()
    status, said = resync("--adopt")
    assert (status, "4 Appointments that the ledger did not know, 2 Events made, 0 due" in said) == (0, True)
    assert (writes(exchange), dump_mailboxes(exchange)) == (0, before)
    assert Event.objects.get(salesforce_id="event-1").content["body"] == "About mortgages"
    assert resync("--verify")[1].count("verify: 0 to repair") == 1
    answer = salesforce.write("PUT", update(event(ANNA), event(ANNA, subject="Changed")))
    assert answer == {TEST: OK, ANNA: OK}
    assert sorted(subjects(exchange, TEST)) == ["Changed", "Second"]
    assert salesforce.write("DELETE", delete(CARL, id="event-2")) == {TEST: OK, CARL: OK}
    assert (subjects(exchange, CARL), subjects(exchange, TEST)) == ([], ["Changed"])


def test_adopting_twice_adopts_once(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    _lose_the_ledger()
    resync("--adopt")
    before = ledger()
    assert "0 Appointments that the ledger did not know" in resync("--adopt")[1]
    assert ledger() == before


def test_adopt_reduces_copies_and_makes_all_say_the_same(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    mailbox, [item] = mailbox_of(exchange, ANNA), held(exchange, ANNA)
    _copy(mailbox, item)
    mailbox.update(item, subject="Newest")
    _lose_the_ledger()
    assert resync("--adopt")[0] == 0
    assert subjects(exchange) == subjects(exchange, TEST) == ["Newest"]


def test_adopt_takes_away_what_was_cancelled(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    Appointment.objects.filter(mailbox=ANNA).delete()
    salesforce.write("DELETE", {"id": "event-1"})
    assert subjects(exchange) == ["Advice"]
    assert resync("--adopt")[0] == 0
    assert subjects(exchange) == []


def test_adopt_leaves_alone_what_is_forgotten(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    Event.objects.update(content=None, ends=None)
    Appointment.objects.filter(mailbox=ANNA).delete()
    assert resync("--adopt")[0] == 0
    assert subjects(exchange) == ["Advice"]
    assert resync("--verify")[0] == 0
    assert subjects(exchange) == ["Advice"]


def test_adopt_knows_only_its_own_orgs_and_only_the_people_of_the_org(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    salesforce.write("POST", event(ANNA, ORGANIZER))
    [item] = held(exchange, ANNA)
    [(key, _)] = item.properties.items()
    mailbox_of(exchange, CARL).add_item("x", item.start, item.end, properties={key: "contoso-2/event-1"})
    _lose_the_ledger()
    Person.objects.filter(email=ORGANIZER).update(active=False)
    mailbox_of(exchange, TEST).state = "store_unavailable"
    status, said = resync("--adopt")
    assert (status, "cannot be read" in said) == (LEFT, True)
    assert [row.mailbox for row in Appointment.objects.all()] == [ANNA]


def test_adopt_can_be_narrowed(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    salesforce.write("POST", event(ANNA, id="event-2"))
    _lose_the_ledger()
    assert resync("--adopt", "--event", "event-2", "--mailbox", ANNA)[0] == 0
    assert [str(row) for row in Appointment.objects.all()] == [f"{ANNA}: event-2"]


def test_an_error_during_the_repair_of_one_mailbox_does_not_stop_the_others(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    unfinished(exchange, salesforce)
    exchange.faults.add(Fault("status", operation="ews.*", mailbox=ANNA, code=500))
    exchange.faults.add(Fault("status", operation="graph.*", mailbox=ANNA, code=500))
    assert resync()[0] == LEFT
    assert (subjects(exchange), subjects(exchange, TEST)) == ([], ["Advice"])
