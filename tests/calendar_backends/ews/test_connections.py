"""What goes over the wire beside the message, how long it may take, and what is logged."""

import logging
import threading
import time
from typing import Any

import pytest

from calendar_backends.base import CalendarError, Verb, correlation_id, share
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Fault, Simulator

from .conftest import ANNA, CONTENT, MORNING, STAMP, change, soon


def test_no_request_is_made_before_the_first_call(ews: EwsBackend, exchange: Simulator) -> None:
    assert exchange.requests == []


def test_connections_are_kept(ews: EwsBackend, exchange: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from calendar_backends.simulator.httpd import HttpServer  # counted at its door

    accepted: list[Any] = []
    accept = HttpServer.process_request

    def counting(server: HttpServer, request: Any, address: Any) -> None:
        accepted.append(address)
        accept(server, request, address)

    monkeypatch.setattr(HttpServer, "process_request", counting)
    for _ in range(5):
        ews.busy_times([ANNA], MORNING, soon())
    assert len(accepted) == 1


def test_a_call_without_a_free_connection_ends_with_its_deadline(
    ews: EwsBackend, exchange: Simulator
) -> None:
    exchange.faults.add(Fault("hang", operation="ews.FindItem", seconds=30))
    connections = share(ews.writes_at_once)
    hanging = [threading.Thread(target=_try_to_find, args=(ews,)) for _ in range(connections)]
    for thread in hanging:
        thread.start()
    while exchange.counters["ews.FindItem"] < connections:
        hanging[0].join(0.01)
        assert hanging[0].is_alive()
    began = time.monotonic()
    with pytest.raises(CalendarError) as caught:
        ews.create(change(Verb.CREATE), soon(0.2))
    assert time.monotonic() - began < 2
    assert (caught.value.code, caught.value.uncertain) == ("ErrorTimeoutExpired", False)
    assert ews.busy_times([ANNA], MORNING, soon(2)) == {ANNA: []}
    exchange.stop()
    for thread in hanging:
        thread.join()


def _try_to_find(ews: EwsBackend) -> None:
    with pytest.raises(CalendarError):
        ews.find(change(Verb.FIND), soon(10))


def test_a_deadline_that_is_over_sends_nothing(ews: EwsBackend, exchange: Simulator) -> None:
    with pytest.raises(CalendarError, match="ErrorTimeoutExpired"):
        ews.create(change(Verb.CREATE), soon(0))
    assert exchange.requests == []


def test_a_connection_that_was_cut_is_replaced(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("drop", times=1))
    with pytest.raises(CalendarError):
        ews.find(change(Verb.FIND), soon())
    assert ews.find(change(Verb.FIND), soon()) == []


def test_the_correlation_id_goes_along(ews: EwsBackend, exchange: Simulator) -> None:
    token = correlation_id.set("Büro 7\n")
    ews.busy_times([ANNA], MORNING, soon())
    ews.find(change(Verb.FIND), soon())
    correlation_id.reset(token)
    sent = [request.headers for request in exchange.requests]
    assert [headers["client-request-id"] for headers in sent] == ["B%C3%BCro 7%0A"] * 2
    assert {headers["return-client-request-id"] for headers in sent} == {"true"}
    assert {headers["user-agent"] for headers in sent} == {"LightningSchedulerAdapter"}


def test_an_address_cannot_add_a_header(ews: EwsBackend, exchange: Simulator) -> None:
    with pytest.raises(CalendarError, match="ErrorNonExistentMailbox"):
        ews.create(change(Verb.CREATE, "x@y\r\nX-Evil: 1"), soon())
    assert exchange.requests[0].headers["x-anchormailbox"] == "x@y%0D%0AX-Evil: 1"


def test_the_log_tells_what_was_called_and_nothing_private(
    ews: EwsBackend, exchange: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ref = ews.create(change(Verb.CREATE), soon())
    exchange.faults.add(Fault("response_code", code="ErrorQuotaExceeded"))
    with pytest.raises(CalendarError):
        ews.update(change(Verb.UPDATE, ref=ref), soon())
    lines = [
        record.getMessage() for record in caplog.records if record.name.startswith("calendar_backends.ews")
    ]
    assert [(line.split()[0], line.split()[-1]) for line in lines] == [
        ("CreateItem", "NoError"),
        ("UpdateItem", "ErrorQuotaExceeded"),
    ]
    for private in (CONTENT.subject, CONTENT.location, STAMP, ANNA, "pässword"):
        assert private not in caplog.text
