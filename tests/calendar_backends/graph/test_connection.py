"""What python-o365 would do if it were let: each of its habits that costs time, secrets or answers."""

import inspect
import time
from pathlib import Path
from typing import Any

import pytest
from msal import ConfidentialClientApplication
from O365 import Account, Connection, MSGraphProtocol
from O365.utils.token import MemoryTokenBackend

from calendar_backends.base import CalendarError, Verb
from calendar_backends.graph import GraphBackend
from calendar_backends.graph.connection import GraphProtocol
from calendar_backends.simulator import Fault, Simulator
from tests.calendar_backends.graph.conftest import ANNA, change, connect, read, refused, soon


def nested(depth: int) -> str:
    return '{"error":' * depth + "{}" + "}" * depth


@pytest.mark.parametrize(
    "body",
    [
        {"error": "text"},
        ["error"],
        {"error": {"innerError": None}},
        {"error": None},
        "7",
        nested(100_000),
    ],
    ids=lambda body: str(body)[:30],
)
def test_an_error_body_of_another_shape_is_still_an_answer(
    graph: GraphBackend, exchange: Simulator, body: Any
) -> None:
    exchange.faults.add(Fault("status", operation="graph.getSchedule", code=503, body=body))
    assert refused(graph).code == "ErrorServerBusy"


def test_a_busy_server_is_asked_once_and_answers_at_once(graph: GraphBackend, exchange: Simulator) -> None:
    fault = Fault("status", operation="graph.GET events", code=503, headers={"Retry-After": "60"})
    exchange.faults.add(fault)
    with pytest.raises(CalendarError) as caught:
        graph.find(change(Verb.FIND), soon())
    assert (caught.value.retry_after, exchange.counters["graph.GET events"]) == (60, 1)


def test_a_redirect_is_not_followed(graph: GraphBackend, exchange: Simulator) -> None:
    headers = {"Location": f"{exchange.url}/v1.0/users/{ANNA}/events"}
    exchange.faults.add(Fault("status", operation="graph.GET events", code=302, headers=headers))
    with pytest.raises(CalendarError, match="ErrorInternalServerError"):
        graph.find(change(Verb.FIND), soon())
    assert exchange.round_trips() == 1


def test_calls_follow_each_other_without_a_pause(graph: GraphBackend) -> None:
    read(graph)
    started = time.monotonic()
    for _ in range(10):
        read(graph)
    assert time.monotonic() - started < 1.0


def test_a_clock_that_is_set_back_does_not_pause_calls(graph: GraphBackend) -> None:
    read(graph)
    graph._client._account.con._previous_request_at = time.time() + 3
    started = time.monotonic()
    assert read(graph) == []
    assert time.monotonic() - started < 2


def test_no_token_is_written_to_a_file(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = connect(options)
    assert read(graph) == []
    graph.close()
    assert list(tmp_path.iterdir()) == []
    assert isinstance(graph._client._account.con.token_backend, MemoryTokenBackend)


def test_making_a_backend_makes_no_call_and_no_connection(graph: GraphBackend, exchange: Simulator) -> None:
    assert graph._client._account.con._pool is None
    assert not exchange.requests


def test_a_404_is_not_logged_as_an_error(graph: GraphBackend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "O365")
    with pytest.raises(CalendarError):
        graph.update(change(Verb.UPDATE, ref="AAAA"), soon())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_graph_may_live_anywhere() -> None:
    protocol = GraphProtocol("https://graph.microsoft.us")
    assert protocol.service_url == "https://graph.microsoft.us/v1.0/"
    assert protocol.prefix_scope(".default") == "https://graph.microsoft.us/.default"
    assert str(protocol.timezone) == "UTC"


def test_the_names_that_the_driver_takes_from_the_libraries_are_where_they_were() -> None:
    """All but the last two are private or undocumented: a new release may move them without a word."""
    sent = inspect.signature(Connection._internal_request).parameters
    assert list(sent)[:4] == ["self", "session_obj", "url", "method"]
    assert "self._check_delay()" in inspect.getsource(Connection._internal_request)
    assert 'kwargs["timeout"] = self.timeout' in inspect.getsource(Connection._internal_request)
    assert "self._protocol_url" in inspect.getsource(MSGraphProtocol.__init__)
    assert "self.connection_constructor(" in inspect.getsource(Account.__init__)
    assert callable(ConfidentialClientApplication.remove_tokens_for_client)
    assert "client_claims" in inspect.signature(ConfidentialClientApplication.__init__).parameters
