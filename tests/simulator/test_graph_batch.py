"""$batch: twenty requests in one, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from calendar_backends.simulator import Fault
from tests.simulator.graph_client import ANNA, BEN, EVENT, GraphClient, contoso
from tests.simulator.graph_schema import validate_seen


@pytest.fixture
def graph() -> Iterator[GraphClient]:
    with contoso() as client:
        yield client


def post(request_id: str, address: str = ANNA, **extra: Any) -> dict[str, Any]:
    return {
        "id": request_id,
        "method": "POST",
        "url": f"/users/{address}/events",
        "headers": {"Content-Type": "application/json"},
        "body": EVENT | {"transactionId": request_id},
        **extra,
    }


def test_each_request_has_its_own_answer_in_no_promised_order(graph: GraphClient) -> None:
    requests = [post("a"), post("b", BEN), post("c", "nobody@contoso.example")]
    answer = graph.checked("POST", "/$batch", {"requests": requests})
    inner = answer.json["responses"]
    assert [response["id"] for response in inner] != ["a", "b", "c"]
    assert {response["id"]: response["status"] for response in inner} == {"a": 201, "b": 201, "c": 404}
    assert len(graph.tenant.mailboxes[BEN].items) == 1


def test_a_batch_creates_changes_and_deletes(graph: GraphClient) -> None:
    created = graph.batch(post("a"))["a"]["body"]
    url = f"users/{ANNA}/events/{created['id']}"
    headers = {"Content-Type": "application/json", "Prefer": 'IdType="ImmutableId"'}
    change = {"id": "1", "method": "PATCH", "url": url, "headers": headers, "body": {"subject": "B"}}
    assert graph.batch(change)["1"]["body"]["subject"] == "B"
    answer = graph.batch({"id": "1", "method": "DELETE", "url": url})["1"]
    assert (answer["status"], answer["body"]) == (204, None)


def test_a_batch_is_one_round_trip_and_counts_what_is_inside(graph: GraphClient) -> None:
    graph.batch(*[post(str(n)) for n in range(20)])
    assert graph.simulator.round_trips() == 1
    assert graph.simulator.counters["graph.$batch"] == 1
    assert graph.simulator.counters["graph.batch.POST events"] == 20


def test_what_is_inside_a_batch_is_seen_like_any_request(graph: GraphClient) -> None:
    graph.batch(post("a"))
    [inner] = [seen for seen in graph.simulator.requests if seen.operation == "graph.batch.POST events"]
    validate_seen(inner)
    assert (inner.mailbox, inner.status) == (ANNA, 201)


def test_four_requests_of_a_batch_run_at_a_time(graph: GraphClient) -> None:
    graph.simulator.latency = 0.2
    graph.batch(*[post(str(n)) for n in range(8)])
    assert graph.simulator.peak["lsa", ANNA] == 4


def test_a_batch_itself_takes_up_no_place_at_a_mailbox(graph: GraphClient) -> None:
    graph.batch(post("a"))
    assert [key for key in graph.simulator.peak if isinstance(key, tuple)] == [("lsa", ANNA)]


def test_a_dependent_request_waits_and_fails_with_the_one_before(graph: GraphClient) -> None:
    bad = post("a", "nobody@contoso.example")
    answers = graph.batch(bad, post("b", dependsOn=["a"]), post("c", dependsOn=["b"]), post("d"))
    assert [answers[name]["status"] for name in "abcd"] == [404, 424, 424, 201]
    assert answers["b"]["body"]["error"]["code"] == "FailedDependency"
    assert len(graph.tenant.mailboxes[ANNA].items) == 1


@pytest.mark.parametrize(
    "requests",
    [
        [],
        "a",
        [post(str(n)) for n in range(21)],
        [post("a"), post("A")],
        [post("")],
        [post("a") | {"id": 1}],
        [post("a") | {"url": "https://graph.microsoft.com/v1.0/users"}],
        [post("a") | {"url": "/$batch"}],
        [post("a") | {"headers": {}}],
        [post("a") | {"method": "FETCH"}],
        [post("a", dependsOn=["b"])],
    ],
)
def test_a_malformed_batch_is_refused_as_a_whole(graph: GraphClient, requests: Any) -> None:
    refused = graph.call("POST", "/$batch", {"requests": requests})
    assert (refused.status, refused.code) == (400, "BadRequest")
    assert graph.tenant.mailboxes[ANNA].items == []


def test_a_batch_needs_a_token(graph: GraphClient) -> None:
    graph.token = "unknown"
    assert graph.call("POST", "/$batch", {"requests": [post("a")]}).status == 401


def test_a_throttled_request_hides_in_a_batch_that_succeeded(graph: GraphClient) -> None:
    graph.simulator.faults.add(Fault("throttle", operation="graph.batch.*", mailbox=BEN, retry_after=7))
    answers = graph.batch(post("a"), post("b", BEN))
    assert (answers["a"]["status"], answers["b"]["status"]) == (201, 429)
    assert answers["b"]["headers"]["Retry-After"] == "7"


def test_a_dependency_can_be_made_to_fail(graph: GraphClient) -> None:
    graph.simulator.faults.add(Fault("inner_424", operation="graph.batch.*", times=1))
    assert graph.batch(post("a"))["a"]["status"] == 424
    assert graph.batch(post("a"))["a"]["status"] == 201


def test_a_lost_answer_inside_a_batch_is_a_gateway_timeout(graph: GraphClient) -> None:
    graph.simulator.faults.add(Fault("commit_then_drop", operation="graph.batch.*"))
    assert graph.batch(post("a"))["a"]["status"] == 504
    assert len(graph.tenant.mailboxes[ANNA].items) == 1


def test_a_page_of_html_inside_a_batch_is_encoded(graph: GraphClient) -> None:
    graph.simulator.faults.add(Fault("html", operation="graph.batch.*"))
    assert isinstance(graph.batch(post("a"))["a"]["body"], str)
