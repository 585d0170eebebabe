import contextlib
import http.client
import socket
import threading
import time

import pytest

from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.faults import FaultBook
from calendar_backends.simulator.world import Mailbox
from tests.simulator.conftest import ANNA, BEN, NINE, TEN
from tests.simulator.ews_client import Answer, EwsClient, appointment
from tests.simulator.test_ews_sign_in import PING

CUT = (http.client.RemoteDisconnected, ConnectionResetError)
SOON = 5.0


def _create(ews: EwsClient) -> Answer:
    return ews.create(appointment("A", NINE, TEN))


def _in_background(ews: EwsClient) -> threading.Thread:
    """A thread that creates an item, whether it gets an answer or not."""

    def call() -> None:
        with contextlib.suppress(*CUT):
            _create(ews)

    caller = threading.Thread(target=call)
    caller.start()
    return caller


def _eventually(mailbox: Mailbox) -> bool:
    deadline = time.monotonic() + SOON
    while not mailbox.items and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(mailbox.items)


def test_a_fault_is_taken_so_many_times_after_so_many_others() -> None:
    book = FaultBook()
    book.add(Fault("response_code", operation="ews.*", times=2, after=1))
    taken = [book.take("ews.CreateItem") is not None for _ in range(4)]
    assert taken == [False, True, True, False]
    assert book.all() == {}


def test_a_fault_is_for_its_operation_and_mailbox_alone() -> None:
    book = FaultBook()
    book.add(Fault("error", operation="graph.batch.*", mailbox=ANNA.upper()))
    assert book.take("graph.batch.POST events", ANNA) is not None
    assert book.take("graph.POST events", ANNA) is None
    assert book.take("graph.batch.POST events", BEN) is None
    assert book.take("graph.batch.POST events") is None


def test_a_face_takes_no_transport_faults_and_only_the_kinds_it_asks_for() -> None:
    book = FaultBook()
    book.add(Fault("drop"))
    number = book.add(Fault("soap_fault"))
    assert book.take("ews.CreateItem", kinds={"response_code"}) is None
    fault = book.take("ews.CreateItem")
    assert fault is not None and fault.kind == "soap_fault"
    assert book.remove(number) and not book.remove(number)


def test_a_fault_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault of kind 'gremlins'"):
        Fault("gremlins")


def test_latency_delays_and_does_it(exchange: Simulator, ews: EwsClient, anna: Mailbox) -> None:
    exchange.faults.add(Fault("latency", seconds=0.2))
    began = time.monotonic()
    assert _create(ews).codes == ["NoError"]
    assert time.monotonic() - began >= 0.2


def test_a_hanging_request_does_nothing_and_ends_without_an_answer(
    exchange: Simulator, ews: EwsClient, anna: Mailbox
) -> None:
    exchange.faults.add(Fault("hang", seconds=0.1, mailbox=ANNA))
    began = time.monotonic()
    with pytest.raises(CUT):
        _create(ews)
    assert time.monotonic() - began >= 0.1
    assert anna.items == []
    assert exchange.requests[0].status == 0


def test_a_mailbox_that_hangs_holds_every_read_that_names_it(exchange: Simulator, reader: EwsClient) -> None:
    exchange.faults.add(Fault("hang", seconds=0.05, mailbox=ANNA))
    with pytest.raises(CUT):
        reader.availability([BEN, ANNA], NINE, TEN)
    assert reader.availability([BEN], NINE, TEN).codes == ["NoError"]


def test_stopping_ends_a_hang(exchange: Simulator, ews: EwsClient) -> None:
    exchange.faults.add(Fault("hang", seconds=600))
    caller = _in_background(ews)
    while not exchange.requests:
        time.sleep(0.005)
    exchange.stop()
    caller.join(SOON)
    assert not caller.is_alive()


def test_a_dripped_answer_arrives_whole_but_slowly(exchange: Simulator, ews: EwsClient) -> None:
    exchange.faults.add(Fault("drip", seconds=0.0005))
    began = time.monotonic()
    answer = ews.call(PING)
    assert answer.codes == ["NoError"]
    assert time.monotonic() - began >= 0.0005 * len(answer.body)


def test_a_truncated_answer_ends_early(exchange: Simulator, ews: EwsClient) -> None:
    exchange.faults.add(Fault("truncate", bytes=7))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ews.call(PING)
    assert caught.value.partial == b"<?xml v"


def test_a_dropped_request_does_nothing(exchange: Simulator, ews: EwsClient, anna: Mailbox) -> None:
    exchange.faults.add(Fault("drop", operation="ews.CreateItem", times=1))
    with pytest.raises(CUT):
        _create(ews)
    assert anna.items == []
    assert _create(ews).codes == ["NoError"]


def test_an_answer_can_be_lost_after_the_work_is_done(
    exchange: Simulator, ews: EwsClient, anna: Mailbox
) -> None:
    exchange.faults.add(Fault("commit_then_drop"))
    with pytest.raises(CUT):
        _create(ews)
    assert len(anna.items) == 1


def test_an_answer_can_come_long_after_the_work_is_done(
    exchange: Simulator, ews: EwsClient, anna: Mailbox
) -> None:
    exchange.faults.add(Fault("commit_then_hang", seconds=600))
    caller = _in_background(ews)
    assert _eventually(anna)
    assert caller.is_alive()
    exchange.stop()
    caller.join(SOON)


def test_the_work_can_be_done_after_the_answer_is_lost(
    exchange: Simulator, ews: EwsClient, anna: Mailbox
) -> None:
    exchange.faults.add(Fault("delayed_commit", seconds=0.1))
    with pytest.raises(CUT):
        _create(ews)
    assert anna.items == []
    assert _eventually(anna)


def test_any_status_can_be_answered(exchange: Simulator, ews: EwsClient, anna: Mailbox) -> None:
    exchange.faults.add(Fault("status", code=503, body="busy", headers={"Retry-After": "7"}))
    answer = _create(ews)
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (503, b"busy", "7")
    assert anna.items == []


@pytest.mark.parametrize(("kind", "begins"), [("html", b"<!DOCTYPE html>"), ("not_json", b'{"value": [')])
def test_an_answer_can_be_something_else_altogether(
    exchange: Simulator, ews: EwsClient, kind: str, begins: bytes
) -> None:
    exchange.faults.add(Fault(kind))
    answer = ews.call(PING)
    assert answer.status == 200
    assert answer.body.startswith(begins)


def test_the_sign_in_service_can_fail_too(exchange: Simulator) -> None:
    exchange.faults.add(Fault("drop", operation="token"))
    with socket.create_connection(("127.0.0.1", exchange.port)) as connection:
        connection.sendall(b"POST /x/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(1) == b""
    assert exchange.counters == {"token": 1}
    assert exchange.round_trips() == 0
