"""Which mailbox a getSchedule goes through, and what happens when that one is bad."""

import threading
import time
from typing import Any

import pytest

from calendar_backends.base import CalendarError, Deadline, Throttles, share
from calendar_backends.graph import GraphBackend
from calendar_backends.graph.anchors import AT_ONCE, LONGEST_SILENCE, Anchors
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import App, Tenant
from tests.calendar_backends.conftest import inquire
from tests.calendar_backends.graph.conftest import (
    ANNA,
    BEN,
    CHLOE,
    MORNING,
    NOBODY,
    anchors_used,
    code_of,
    connect,
    read,
    refused,
    soon,
)


def test_an_anchor_that_is_not_there_is_replaced_and_not_blamed_on_the_others(
    graph: GraphBackend, exchange: Simulator
) -> None:
    answer = graph.busy_times([NOBODY, ANNA], MORNING, soon())
    assert (code_of(answer[NOBODY]), answer[ANNA]) == ("ErrorMailRecipientNotFound", [])
    assert anchors_used(exchange) == [NOBODY, ANNA]


@pytest.mark.parametrize(
    "state", ["unlicensed", "on_premises", "denied", "moving", "store_unavailable", "no_calendar"]
)
def test_an_anchor_that_is_not_well_is_replaced(graph: GraphBackend, tenant: Tenant, state: str) -> None:
    tenant.mailboxes[ANNA].state = state
    answer = graph.busy_times([ANNA, BEN], MORNING, soon())
    assert answer[BEN] == []
    assert isinstance(answer[ANNA], CalendarError)


def test_an_anchor_outside_the_apps_scope_is_replaced(graph: GraphBackend, app: App) -> None:
    app.scope = {BEN}
    assert graph.busy_times([ANNA, BEN], MORNING, soon())[BEN] == []


def test_a_bad_anchor_is_remembered_and_not_tried_first_again(
    graph: GraphBackend, exchange: Simulator
) -> None:
    for _ in range(2):
        graph.busy_times([NOBODY, ANNA], MORNING, soon())
    assert anchors_used(exchange) == [NOBODY, ANNA, ANNA]


def test_a_good_anchor_is_remembered_and_asked_about_other_people(
    graph: GraphBackend, exchange: Simulator
) -> None:
    read(graph, ANNA)
    assert code_of(read(graph, NOBODY)) == "ErrorMailRecipientNotFound"
    assert anchors_used(exchange) == [ANNA, ANNA]


def test_the_configured_anchor_is_taken_first(options: dict[str, Any], exchange: Simulator) -> None:
    graph = connect({**options, "anchor_mailbox": CHLOE})
    assert graph.busy_times([ANNA, BEN], MORNING, soon()) == {ANNA: [], BEN: []}
    assert anchors_used(exchange) == [CHLOE]
    graph.close()


def test_a_configured_anchor_that_is_gone_is_replaced(options: dict[str, Any], exchange: Simulator) -> None:
    graph = connect({**options, "anchor_mailbox": NOBODY})
    for _ in range(2):
        assert read(graph, ANNA) == []
    assert anchors_used(exchange) == [NOBODY, ANNA, ANNA]
    graph.close()


@pytest.mark.parametrize("seconds", [0.3, 30])
def test_a_configured_anchor_that_hangs_is_replaced_and_stays_so_for_a_while(
    options: dict[str, Any], exchange: Simulator, seconds: float
) -> None:
    graph = connect({**options, "anchor_mailbox": CHLOE})
    exchange.faults.add(Fault("hang", operation="graph.getSchedule", mailbox=CHLOE, seconds=seconds))
    assert refused(graph, ANNA, deadline=soon(0.5)).code in ("ErrorTimeoutExpired", "ErrorConnectionFailed")
    for _ in range(2):
        assert read(graph, ANNA) == []
    assert anchors_used(exchange) == [CHLOE, ANNA, ANNA]
    graph.close()


def test_a_configured_anchor_that_keeps_a_call_waiting_is_not_asked_for_another_one(
    options: dict[str, Any], exchange: Simulator
) -> None:
    graph = connect({**options, "anchor_mailbox": CHLOE})
    read(graph, BEN)
    exchange.requests.clear()
    exchange.faults.add(Fault("hang", operation="graph.getSchedule", mailbox=CHLOE, seconds=30))
    waiting = threading.Thread(target=refused, args=(graph, BEN), kwargs={"deadline": soon(2)})
    waiting.start()
    time.sleep(LONGEST_SILENCE + 0.2)
    assert read(graph, ANNA) == []
    waiting.join()
    assert anchors_used(exchange) == [CHLOE, ANNA]
    graph.close()


def test_who_hangs_alone_keeps_one_anchor_of_others_waiting_and_not_one_each_time(
    graph: GraphBackend, exchange: Simulator
) -> None:
    read(graph, ANNA)
    exchange.faults.add(Fault("hang", operation="graph.getSchedule", mailbox=BEN, seconds=30))
    for _ in range(2):
        assert refused(graph, BEN, deadline=soon(0.2)).code == "ErrorTimeoutExpired"
    read(graph, CHLOE)
    exchange.requests.clear()
    for _ in range(3):
        read(graph, CHLOE)
        assert refused(graph, BEN, deadline=soon(0.2)).code == "ErrorTimeoutExpired"
    assert anchors_used(exchange) == [CHLOE, CHLOE, CHLOE, BEN, CHLOE, BEN]


def test_an_anchor_is_not_blamed_for_a_call_that_hangs_while_it_answers_others() -> None:
    anchors = Anchors(CHLOE, Throttles())
    with pytest.raises(CalendarError), anchors.hold([BEN], (), soon()) as anchor:
        assert anchor == CHLOE
        anchors.worked(CHLOE)
        raise CalendarError("ErrorTimeoutExpired")
    with anchors.hold([ANNA], (), soon()) as anchor:
        assert anchor == CHLOE


def test_a_configured_anchor_that_hung_once_is_taken_before_the_app_is_held_to_be_refused(
    options: dict[str, Any], exchange: Simulator, app: App, tenant: Tenant
) -> None:
    app.scope = {CHLOE}
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(4)]
    graph = connect({**options, "anchor_mailbox": CHLOE})
    exchange.faults.add(Fault("hang", operation="graph.getSchedule", times=1, seconds=30))
    assert refused(graph, *people, deadline=soon(0.5)).code == "ErrorTimeoutExpired"
    assert graph.busy_times(people, MORNING, soon())[people[0]] == []
    assert anchors_used(exchange) == [CHLOE, *people, CHLOE]
    graph.close()


@pytest.mark.parametrize(
    ("state", "code"), [("unlicensed", "ErrorMailRecipientNotFound"), ("denied", "ErrorAccessDenied")]
)
def test_where_every_anchor_is_bad_each_mailbox_takes_its_own_error(
    graph: GraphBackend, tenant: Tenant, state: str, code: str
) -> None:
    tenant.mailboxes[ANNA].state = state
    answer = graph.busy_times([ANNA, NOBODY], MORNING, soon())
    assert (code_of(answer[ANNA]), code_of(answer[NOBODY])) == (code, "ErrorMailRecipientNotFound")


def test_an_app_that_is_refused_everywhere_is_told_so_after_three_calls(
    graph: GraphBackend, exchange: Simulator, app: App, tenant: Tenant
) -> None:
    app.scope = set()
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(20)]
    assert refused(graph, *people).code == "ErrorAccessDenied"
    assert exchange.counters["graph.getSchedule"] == 3


def test_an_app_that_is_refused_in_three_calls_about_few_is_told_so(graph: GraphBackend, app: App) -> None:
    app.scope = set()
    assert [code_of(read(graph, ANNA)), code_of(read(graph, BEN))] == ["ErrorAccessDenied"] * 2
    assert refused(graph, ANNA).code == "ErrorAccessDenied"


def test_an_app_that_works_for_somebody_is_not_held_to_be_refused(graph: GraphBackend, app: App) -> None:
    app.scope = {BEN}
    for mailbox in (ANNA, ANNA, BEN, *[ANNA] * 5):
        outcome = read(graph, mailbox)
        # Ben is a good anchor from then on, through which Anna is read.
        assert outcome == [] or code_of(outcome) == "ErrorAccessDenied"
    assert outcome == []


def test_an_app_that_is_refused_what_it_might_do_before_is_told_so(graph: GraphBackend, app: App) -> None:
    assert read(graph, ANNA) == []
    app.scope = set()
    assert [code_of(read(graph, ANNA)), code_of(read(graph, BEN))] == ["ErrorAccessDenied"] * 2
    assert refused(graph, ANNA).code == "ErrorAccessDenied"


def test_people_who_are_not_there_are_no_refusal_of_the_app(graph: GraphBackend) -> None:
    for _ in range(5):
        assert code_of(read(graph, NOBODY)) == "ErrorMailRecipientNotFound"


def test_the_next_call_begins_with_those_who_have_not_refused_yet(
    graph: GraphBackend, exchange: Simulator, app: App, tenant: Tenant
) -> None:
    app.scope = {BEN}
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(3)]
    assert inquire(graph, [*people, BEN], MORNING, soon())[BEN] == []
    assert anchors_used(exchange) == [*people, BEN]


def test_replacing_anchors_ends_at_the_deadline(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.latency = 0.2
    strangers = [f"stranger{n}@contoso.example" for n in range(20)]
    assert refused(graph, *strangers, deadline=Deadline.after(0.5)).code == "ErrorTimeoutExpired"
    assert exchange.counters["graph.getSchedule"] <= 3


def test_a_server_error_is_not_blamed_on_the_anchor(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.faults.add(
        Fault("error", operation="graph.getSchedule", status=500, code="ErrorInternalServerError")
    )
    assert refused(graph, ANNA, BEN).code == "ErrorInternalServerError"
    assert exchange.counters["graph.getSchedule"] == 1


def test_one_anchor_carries_no_more_calls_than_graph_allows(
    options: dict[str, Any], exchange: Simulator, tenant: Tenant, settings: Any
) -> None:
    settings.PROCESSES = 1
    exchange.latency = 0.02
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(200)]
    graph = connect({**options, "anchor_mailbox": ANNA})
    assert inquire(graph, people, MORNING, soon()) == {person: [] for person in people}
    assert exchange.peak["app", ANNA] == AT_ONCE
    graph.close()


def test_waiting_for_an_anchor_ends_at_the_deadline() -> None:
    anchors = Anchors(ANNA, Throttles())
    entered = [anchors.hold([BEN], (), soon()) for _ in range(share(AT_ONCE))]
    assert {holding.__enter__() for holding in entered} == {ANNA}
    with (
        pytest.raises(CalendarError, match="ErrorTimeoutExpired"),
        anchors.hold([BEN], (), Deadline.after(0)),
    ):
        pass
    entered[0].__exit__(None, None, None)
    with anchors.hold([BEN], (), Deadline.after(0)) as anchor:
        assert anchor == ANNA


def test_a_bad_anchor_is_tried_last_while_none_is_known_to_be_good() -> None:
    anchors = Anchors("", Throttles())
    anchors.failed(ANNA, CalendarError("ErrorMailboxMoveInProgress"))
    with anchors.hold([ANNA, BEN], (), soon()) as first:
        assert first == BEN
    with anchors.hold([ANNA, BEN], {BEN}, soon()) as second:
        assert second == ANNA


def test_good_anchors_share_the_load() -> None:
    anchors = Anchors("", Throttles())
    for mailbox in (ANNA, BEN):
        anchors.worked(mailbox)
    with anchors.hold([CHLOE], (), soon()) as first, anchors.hold([CHLOE], (), soon()) as second:
        assert {first, second} == {ANNA, BEN}


def test_where_there_are_more_processes_than_may_share_an_anchor_they_begin_with_different_ones(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROCESSES = 8
    taken = []
    for process in range(100, 103):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        with Anchors("", Throttles()).hold([ANNA, BEN, CHLOE], (), soon()) as anchor:
            taken.append(anchor)
    assert sorted(map(str, taken)) == [ANNA, BEN, CHLOE]


def test_many_threads_at_once_are_all_served(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.latency = 0.01
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(read(graph, ANNA))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[]] * 16
