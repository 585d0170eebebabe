"""Writing to many mailboxes: $batch, whose outer status says nothing about the requests inside."""

from datetime import UTC, datetime

import pytest
import time_machine

from calendar_backends.base import CalendarError, Deadline, Verb
from calendar_backends.graph import GraphBackend, found
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox, Tenant
from tests.calendar_backends.graph.conftest import (
    ANNA,
    BEN,
    CHLOE,
    CONTENT,
    NOBODY,
    change,
    code_of,
    creations,
    soon,
)


def test_many_mailboxes_are_written_in_batches_of_four(
    graph: GraphBackend, exchange: Simulator, tenant: Tenant
) -> None:
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(10)]
    outcomes = graph.write(creations(*people), soon())
    assert [outcomes[each] for each in creations(*people)] == [
        [tenant.mailboxes[person].calendar_items()[0].immutable_id] for person in people
    ]
    assert exchange.round_trips() == exchange.counters["graph.$batch"] == 3
    assert exchange.counters["graph.batch.POST events"] == 10


def test_one_change_goes_as_it_is(graph: GraphBackend, exchange: Simulator) -> None:
    graph.write(creations(ANNA), soon())
    assert exchange.counters["graph.$batch"] == 0
    assert exchange.round_trips() == 1


def test_all_verbs_go_into_one_batch(graph: GraphBackend, exchange: Simulator, tenant: Tenant) -> None:
    first, second, third = (graph.create(each, soon()) for each in creations(ANNA, BEN, CHLOE))
    exchange.reset()
    wanted = [
        change(Verb.UPDATE, ANNA, first),
        change(Verb.DELETE, BEN, second),
        change(Verb.FIND, CHLOE),
        change(Verb.CREATE, NOBODY),
    ]
    outcomes = graph.write(wanted, soon())
    assert [outcomes[each] for each in wanted[:3]] == [[first], [], [third]]
    assert code_of(outcomes[wanted[3]]) == "ErrorMailRecipientNotFound"
    assert tenant.mailboxes[BEN].calendar_items() == []
    assert exchange.round_trips() == 1


def test_an_inner_error_is_the_error_of_its_change_alone(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("throttle", operation="graph.batch.POST events", mailbox=BEN, retry_after=9))
    first, second = creations(ANNA, BEN)
    outcomes = graph.write([first, second], soon())
    assert not isinstance(outcomes[first], CalendarError)
    error = outcomes[second]
    assert isinstance(error, CalendarError)
    assert (error.code, error.retry_after, error.uncertain) == ("ErrorServerBusy", 9, False)


@pytest.mark.parametrize("alone", [False, True])
def test_a_mailbox_that_wants_to_be_left_alone_is_not_written_to_before_it_said(
    graph: GraphBackend, exchange: Simulator, alone: bool
) -> None:
    first, second = creations(ANNA, BEN)
    exchange.faults.add(
        Fault("throttle", operation="graph.*POST events", mailbox=BEN, retry_after=9, times=1)
    )
    with time_machine.travel(datetime.now(UTC)) as clock:
        graph.write([second] if alone else [first, second], soon())
        exchange.reset()
        outcomes = graph.write([first, second], soon())
        assert [each.operation for each in exchange.requests] == ["graph.POST events"]
        clock.shift(10)
        assert graph.create(second, soon())
    assert not isinstance(outcomes[first], CalendarError)
    error = outcomes[second]
    assert isinstance(error, CalendarError)
    assert (error.code, error.asked, error.uncertain) == ("ErrorServerBusy", False, False)
    assert error.retry_after == pytest.approx(9, abs=2)


def test_a_single_change_is_not_asked_for_either_while_its_mailbox_is_to_be_left_alone(
    graph: GraphBackend, exchange: Simulator
) -> None:
    exchange.faults.add(Fault("throttle", operation="graph.POST events", retry_after=9))
    for asked in (True, False):
        with pytest.raises(CalendarError) as caught:
            graph.create(change(Verb.CREATE), soon())
        assert caught.value.asked is asked
    with pytest.raises(CalendarError, match="still throttled"):
        graph.held(ANNA.upper(), "contoso/1", soon())


def test_an_inner_gateway_error_leaves_its_change_uncertain(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("commit_then_drop", operation="graph.batch.POST events", mailbox=BEN))
    error = graph.write(creations(ANNA, BEN), soon())[change(Verb.CREATE, BEN)]
    assert isinstance(error, CalendarError)
    assert (error.code, error.uncertain) == ("ErrorTimeoutExpired", True)


@pytest.mark.parametrize("kind", ["commit_then_drop", "html", "not_json", "truncate"])
def test_a_batch_without_a_usable_answer_leaves_every_change_uncertain(
    graph: GraphBackend, exchange: Simulator, kind: str
) -> None:
    exchange.faults.add(Fault(kind, operation="graph.$batch"))
    outcomes = graph.write(creations(ANNA, BEN), soon())
    assert all(isinstance(error, CalendarError) and error.uncertain for error in outcomes.values())
    assert exchange.counters["graph.$batch"] == 1


@pytest.mark.parametrize("responses", [[], [7], [{"id": "5", "status": 201}], [{"status": 201}], None])
def test_a_change_that_the_answer_leaves_out_is_uncertain(
    graph: GraphBackend, exchange: Simulator, responses: object
) -> None:
    fault = Fault("status", operation="graph.$batch", code=200, body={"responses": responses})
    exchange.faults.add(fault)
    outcomes = graph.write(creations(ANNA, BEN), soon())
    assert all(isinstance(error, CalendarError) and error.uncertain for error in outcomes.values())


@pytest.mark.parametrize(
    "inner", [{"status": "201"}, {"status": 201, "body": "PGh0bWw+"}, {"status": 201, "headers": 1}]
)
def test_an_inner_answer_of_another_shape_is_uncertain(
    graph: GraphBackend, exchange: Simulator, inner: dict[str, object]
) -> None:
    body = {"responses": [{"id": "0", **inner}, {"id": "1", "status": 201, "body": {"id": "AAAA"}}]}
    exchange.faults.add(Fault("status", operation="graph.$batch", code=200, body=body))
    first, second = creations(ANNA, BEN)
    outcomes = graph.write([first, second], soon())
    error = outcomes[first]
    assert isinstance(error, CalendarError)
    assert (error.uncertain, outcomes[second]) == (True, ["AAAA"])


@pytest.mark.parametrize("kind", ["inner_424", "token_expired"])
def test_an_inner_request_that_was_not_carried_out_is_sent_alone(
    graph: GraphBackend, exchange: Simulator, anna: Mailbox, kind: str
) -> None:
    exchange.faults.add(Fault(kind, operation="graph.batch.POST events", mailbox=ANNA))
    outcomes = graph.write(creations(ANNA, BEN), soon())
    assert outcomes[change(Verb.CREATE, ANNA)] == [anna.calendar_items()[0].immutable_id]
    assert exchange.counters["graph.POST events"] == 1


def test_a_batch_that_is_throttled_as_a_whole_throttles_every_change(
    graph: GraphBackend, exchange: Simulator
) -> None:
    exchange.faults.add(Fault("throttle", operation="graph.$batch", retry_after=3))
    for error in graph.write(creations(ANNA, BEN), soon()).values():
        assert isinstance(error, CalendarError)
        assert (error.code, error.retry_after, error.uncertain) == ("ErrorServerBusy", 3, False)


def test_an_address_that_cannot_be_one_does_not_spoil_the_batch(graph: GraphBackend) -> None:
    wanted = creations(ANNA, "anna\n@contoso.example", BEN)
    outcomes = graph.write(wanted, soon())
    assert code_of(outcomes[wanted[1]]) == "ErrorInvalidSmtpAddress"
    assert not isinstance(outcomes[wanted[0]], CalendarError)


def test_a_batch_that_hangs_does_not_hold_up_the_others(
    graph: GraphBackend, exchange: Simulator, tenant: Tenant
) -> None:
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(5)]
    exchange.faults.add(Fault("hang", operation="graph.$batch", times=1))
    outcomes = graph.write(creations(*people), Deadline.after(0.8))
    errors = [outcomes[each] for each in creations(*people[:4])]
    assert all(isinstance(error, CalendarError) and error.uncertain for error in errors)
    assert not isinstance(outcomes[creations(people[4])[0]], CalendarError)


def test_a_find_of_several_pages_is_finished_alone(
    graph: GraphBackend, anna: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [graph.create(change(Verb.CREATE), soon())]
    [item] = anna.calendar_items()
    refs.append(anna.add_item("", CONTENT.start, CONTENT.end, properties=item.properties).immutable_id)
    monkeypatch.setattr(found, "PAGE_SIZE", 1)
    wanted = [change(Verb.FIND), change(Verb.FIND, BEN)]
    outcomes = graph.write(wanted, soon())
    assert [outcomes[each] for each in wanted] == [refs, []]
