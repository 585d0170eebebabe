"""Graph wants a mailbox, or the whole app, to be left alone for a while."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from calendar_backends.graph import GraphBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import App, Tenant
from tests.calendar_backends.graph.conftest import (
    ANNA,
    BEN,
    CHLOE,
    MORNING,
    NOBODY,
    anchors_used,
    connect,
    read,
    refused,
    soon,
)


def throttle(exchange: Simulator, *, after: int = 0, times: int | None = 1, retry_after: float = 60) -> None:
    """Answer calls with 429, whichever mailbox they go through."""
    operation = "graph.getSchedule"
    exchange.faults.add(
        Fault("throttle", operation=operation, after=after, times=times, retry_after=retry_after)
    )


def test_where_an_anchor_is_throttled_another_is_taken(graph: GraphBackend, exchange: Simulator) -> None:
    throttle(exchange)
    assert graph.busy_times([ANNA, BEN, CHLOE], MORNING, soon()) == {ANNA: [], BEN: [], CHLOE: []}
    assert anchors_used(exchange) == [ANNA, BEN]


def test_a_throttled_anchor_is_left_alone_until_its_pause_is_over(
    graph: GraphBackend, exchange: Simulator
) -> None:
    read(graph, ANNA)
    throttle(exchange)
    with time_machine.travel(datetime.now(UTC)) as clock:
        for seconds in (0, 50, 20):
            clock.shift(seconds)
            assert graph.busy_times([ANNA, BEN], MORNING, soon())[BEN] == []
    assert anchors_used(exchange) == [ANNA, ANNA, BEN, BEN, ANNA]


def test_where_a_second_anchor_is_throttled_no_third_is_tried(
    graph: GraphBackend, exchange: Simulator
) -> None:
    throttle(exchange, times=None, retry_after=17)
    error = refused(graph, ANNA, BEN, CHLOE)
    assert (error.code, error.retry_after) == ("ErrorServerBusy", 17)
    assert anchors_used(exchange) == [ANNA, BEN]


@pytest.mark.parametrize("mailboxes", [[ANNA], [ANNA, NOBODY], [NOBODY, ANNA]])
def test_where_only_bad_anchors_are_not_throttled_the_question_is_refused_and_not_asked_again(
    graph: GraphBackend, exchange: Simulator, mailboxes: list[str]
) -> None:
    throttle(exchange, after=mailboxes.index(ANNA))
    for _ in range(2):
        error = refused(graph, *mailboxes)
        assert error.code == "ErrorServerBusy"
        assert error.retry_after == pytest.approx(60, abs=2)
    assert anchors_used(exchange) == mailboxes


def test_while_a_good_anchor_is_throttled_refusals_are_the_mailboxes_own(
    graph: GraphBackend, exchange: Simulator, tenant: Tenant, app: App
) -> None:
    app.scope = {ANNA, BEN}
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(4)]
    read(graph, ANNA)
    throttle(exchange)
    assert graph.busy_times([*people, BEN], MORNING, soon())[BEN] == []
    assert anchors_used(exchange) == [ANNA, ANNA, *people, BEN]


def test_where_only_a_throttled_anchor_is_in_the_apps_scope_exchange_is_busy(
    options: dict[str, Any], exchange: Simulator, app: App
) -> None:
    graph = connect({**options, "anchor_mailbox": CHLOE})
    app.scope = {CHLOE}
    throttle(exchange)
    assert [refused(graph, ANNA, BEN).code, refused(graph, ANNA, BEN).code] == ["ErrorServerBusy"] * 2
    assert anchors_used(exchange) == [CHLOE, ANNA, BEN]
    graph.close()


def test_an_anchor_is_throttled_for_a_second_if_graph_does_not_say_for_how_long(
    graph: GraphBackend, exchange: Simulator
) -> None:
    exchange.faults.add(Fault("error", operation="graph.getSchedule", status=429, code="TooManyRequests"))
    assert [refused(graph).code, refused(graph).code] == ["ErrorServerBusy"] * 2
    assert refused(graph).retry_after == pytest.approx(1, abs=0.2)
    assert exchange.counters["graph.getSchedule"] == 1


def _poison(exchange: Simulator, mailbox: str, retry_after: float = 60) -> None:
    """Every call that names the mailbox is throttled, whichever mailbox it goes through."""
    exchange.faults.add(
        Fault("throttle", operation="graph.getSchedule", mailbox=mailbox, retry_after=retry_after)
    )


def test_who_is_throttled_through_two_anchors_uses_up_only_the_own_one_from_then_on(
    graph: GraphBackend, exchange: Simulator
) -> None:
    read(graph, ANNA)
    exchange.requests.clear()
    _poison(exchange, BEN)
    with time_machine.travel(datetime.now(UTC)) as clock:
        for seconds in (0, 0, 60):
            clock.shift(seconds)
            assert refused(graph, BEN).code == "ErrorServerBusy"
    assert anchors_used(exchange) == [ANNA, BEN, BEN]


def test_those_who_were_asked_about_together_are_then_asked_about_through_themselves(
    graph: GraphBackend, exchange: Simulator, tenant: Tenant
) -> None:
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(3)]
    read(graph, CHLOE)
    _poison(exchange, BEN)
    assert refused(graph, *people, BEN).code == "ErrorServerBusy"
    exchange.requests.clear()
    assert read(graph, people[2]) == []
    assert anchors_used(exchange) == [people[2]]


def test_who_is_throttled_alone_uses_up_one_anchor_of_others_and_not_one_each_time(
    graph: GraphBackend, exchange: Simulator
) -> None:
    read(graph, ANNA)
    _poison(exchange, BEN)
    assert refused(graph, BEN, CHLOE).code == "ErrorServerBusy"
    exchange.requests.clear()
    with time_machine.travel(datetime.now(UTC)) as clock:
        for _ in range(3):
            clock.shift(60)
            assert refused(graph, BEN).code == "ErrorServerBusy"
    assert anchors_used(exchange) == [BEN, ANNA, BEN, BEN]


def test_a_mailbox_whose_own_anchor_is_throttled_is_asked_about_through_another(
    graph: GraphBackend, exchange: Simulator
) -> None:
    read(graph, ANNA)
    throttle(exchange, times=3)
    assert refused(graph, BEN, CHLOE).code == "ErrorServerBusy"
    with time_machine.travel(datetime.now(UTC)) as clock:
        clock.shift(60)
        assert read(graph, BEN) == []
    assert anchors_used(exchange) == [ANNA, ANNA, BEN, BEN, ANNA]


def test_a_suspect_whose_own_mailbox_is_out_of_the_apps_scope_goes_through_another(
    graph: GraphBackend, exchange: Simulator, app: App
) -> None:
    app.scope = {ANNA, CHLOE}
    read(graph, CHLOE)
    throttle(exchange, times=2, retry_after=0)
    assert refused(graph, ANNA, BEN).code == "ErrorServerBusy"
    assert read(graph, BEN) == []
    assert anchors_used(exchange)[-2:] == [BEN, CHLOE]


def test_a_configured_anchor_that_is_throttled_is_replaced_for_a_while(
    options: dict[str, Any], exchange: Simulator
) -> None:
    graph = connect({**options, "anchor_mailbox": CHLOE})
    throttle(exchange)
    with time_machine.travel(datetime.now(UTC)) as clock:
        for seconds in (0, 0, 60):
            clock.shift(seconds)
            assert graph.busy_times([ANNA, BEN], MORNING, soon()) == {ANNA: [], BEN: []}
    assert anchors_used(exchange) == [CHLOE, ANNA, ANNA, CHLOE]
    graph.close()
