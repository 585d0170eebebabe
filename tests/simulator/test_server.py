import http.client
import socket
import threading
import time

import pytest

from calendar_backends.simulator import Fault, Simulator, World, server
from calendar_backends.simulator.world import Mailbox
from tests.simulator.conftest import ANNA, NINE, TEN
from tests.simulator.ews_client import EwsClient
from tests.simulator.test_ews_sign_in import PING


def test_a_connection_is_kept_alive(exchange: Simulator) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port)
    for _ in range(2):
        connection.request("GET", "/simulator/")
        assert connection.getresponse().read().startswith(b"{")
        assert connection.sock is not None
    connection.close()


@pytest.mark.parametrize(("path", "status"), [("/", 404), ("/EWS/Exchange.asmx", 405)])
def test_paths_and_methods_of_no_face_are_refused(exchange: Simulator, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port)
    connection.request("GET", path)
    assert connection.getresponse().status == status
    connection.close()


def test_a_body_without_length_gets_411(exchange: Simulator) -> None:
    head = b"POST /simulator/reset HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", exchange.port)) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 411 ")


def test_latency_is_added_to_each_request(exchange: Simulator, ews: EwsClient) -> None:
    exchange.latency = 0.1
    began = time.monotonic()
    ews.call(PING)
    assert time.monotonic() - began >= 0.1


def test_the_moment_of_a_request_is_remembered(exchange: Simulator, ews: EwsClient) -> None:
    before = time.monotonic()
    ews.call(PING)
    assert before <= exchange.requests[0].at <= time.monotonic()


def test_the_most_requests_at_a_time_are_remembered(exchange: Simulator, ews: EwsClient) -> None:
    exchange.latency = 0.2
    callers = [threading.Thread(target=ews.call, args=(PING,)) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert 2 <= exchange.peak["ews"] <= 5


def test_a_simulator_starts_again_on_the_port_it_had(exchange: Simulator, ews: EwsClient) -> None:
    port = exchange.port
    exchange.stop()
    with pytest.raises(ConnectionRefusedError):
        ews.call(PING)
    exchange.start()
    assert exchange.port == port
    assert ews.call(PING).codes == ["NoError"]


def test_a_port_in_use_is_an_error(exchange: Simulator) -> None:
    with pytest.raises(OSError, match="in use"):
        Simulator(World(), port=exchange.port).start()


def test_reset_forgets_what_was_seen_and_keeps_the_world(
    exchange: Simulator, ews: EwsClient, anna: Mailbox
) -> None:
    anna.add_item("Item", NINE, TEN)
    ews.call(PING)
    exchange.faults.add(Fault("drop"))
    exchange.reset()
    assert (exchange.counters, exchange.requests, exchange.peak) == ({}, [], {})
    assert exchange.faults.all() == {}
    assert exchange.world.mailbox(ANNA) is anna


def test_only_the_latest_requests_are_remembered(
    exchange: Simulator, ews: EwsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUESTS_KEPT", 4)
    for _ in range(5):
        ews.call(PING)
    assert len(exchange.requests) == 3
    assert exchange.round_trips() == 5


def test_stopping_cuts_connections_that_are_kept_alive(exchange: Simulator) -> None:
    with socket.create_connection(("127.0.0.1", exchange.port), timeout=5) as connection:
        connection.sendall(b"GET /simulator/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        exchange.stop()
        while connection.recv(4096):
            pass
