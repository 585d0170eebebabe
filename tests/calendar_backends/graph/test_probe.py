"""What an admin is told about an Org's connection."""

from typing import Any

import pytest

from calendar_backends.base import ProbeResult
from calendar_backends.graph import GraphBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import App, Mailbox
from tests.calendar_backends.graph.conftest import ANNA, BEN, NOBODY, connect, soon


def probe(graph: GraphBackend, mailbox: str = ANNA) -> list[ProbeResult]:
    return graph.probe(mailbox, soon())


def codes(results: list[ProbeResult]) -> list[str]:
    return [result.code for result in results]


def test_what_works_is_said_to_work_and_nothing_is_changed(graph: GraphBackend, anna: Mailbox) -> None:
    assert probe(graph) == [
        ProbeResult("sign-in", "NoError"),
        ProbeResult(f"free/busy of {ANNA}", "NoError"),
        ProbeResult(f"write access to {ANNA}", "NoError"),
    ]
    assert anna.items == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_secret": "wrong"}, "client secret is wrong"),
        ({"client_id": "other"}, "does not know this application"),
        ({"tenant_id": "elsewhere.example"}, "no such tenant"),
    ],
)
def test_a_wrong_sign_in_is_explained_and_ends_the_probe(
    options: dict[str, Any], changes: dict[str, str], words: str
) -> None:
    graph = connect({**options, **changes})
    [result] = probe(graph)
    graph.close()
    assert result.code == "ErrorAccessDenied"
    assert words in result.advice


def test_a_sign_in_that_is_not_reached_is_explained(options: dict[str, Any]) -> None:
    graph = connect({**options, "authority_url": "http://127.0.0.1:1"})
    [result] = probe(graph)
    graph.close()
    assert result.code == "ErrorConnectionFailed"
    assert "firewall" in result.advice


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ({"Calendars.ReadBasic.All"}, ["NoError", "NoError", "ErrorAccessDenied"]),
        ({"Calendars.Read"}, ["NoError", "NoError", "ErrorAccessDenied"]),
        (set(), ["NoError", "ErrorAccessDenied", "ErrorAccessDenied"]),
    ],
)
def test_a_permission_that_is_missing_is_named(
    graph: GraphBackend, app: App, permissions: set[str], expected: list[str]
) -> None:
    app.permissions = permissions
    results = probe(graph)
    assert codes(results) == expected
    assert '"Application Calendars.ReadWrite"' in results[2].advice


def test_a_mailbox_outside_the_scope_is_told_from_a_missing_one(graph: GraphBackend, app: App) -> None:
    app.scope = {BEN}
    assert codes(probe(graph)) == ["NoError", "ErrorAccessDenied", "ErrorAccessDenied"]
    results = probe(graph, NOBODY)
    assert codes(results) == ["NoError", "ErrorMailRecipientNotFound", "ErrorMailRecipientNotFound"]
    assert f"{NOBODY} is not a mailbox" in results[1].advice


def test_a_configured_anchor_that_is_bad_is_named(options: dict[str, Any]) -> None:
    graph = connect({**options, "anchor_mailbox": NOBODY})
    results = probe(graph)
    graph.close()
    assert codes(results) == ["NoError", "ErrorMailRecipientNotFound", "NoError"]
    assert NOBODY in results[1].advice


def test_what_has_no_advice_is_reported_as_it_came(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("error", operation="graph.getSchedule", status=500, code="ErrorNeverHeardOf"))
    assert "HTTP 500 ErrorNeverHeardOf" in probe(graph)[1].advice
