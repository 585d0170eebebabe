"""Who is let in: tokens, permissions, scope, the state of a mailbox, four requests at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.simulator.graph_client import ANNA, BEN, EVENT, Answer, GraphClient, contoso


@pytest.fixture
def graph() -> Iterator[GraphClient]:
    with contoso() as client:
        yield client


def create(graph: GraphClient, address: str = ANNA) -> Answer:
    return graph.checked("POST", f"/users/{address}/events", EVENT)


def test_a_request_without_a_token_is_refused(graph: GraphClient) -> None:
    refused = graph.checked("GET", f"/users/{ANNA}/events", Authorization="")
    assert (refused.status, refused.code) == (401, "InvalidAuthenticationToken")
    assert "www-authenticate" in refused.headers


def test_a_made_up_token_is_refused(graph: GraphClient) -> None:
    refused = graph.checked("GET", f"/users/{ANNA}/events", Authorization="Bearer made.up.token")
    assert (refused.status, refused.code) == (401, "InvalidAuthenticationToken")


def test_an_unknown_user_is_invalid(graph: GraphClient) -> None:
    refused = create(graph, "nobody@contoso.example")
    assert (refused.status, refused.code) == (404, "ErrorInvalidUser")


def test_an_alias_names_no_user(graph: GraphClient) -> None:
    assert create(graph, "a.holm@contoso.example").code == "ErrorInvalidUser"


def test_another_tenants_user_is_unknown(graph: GraphClient) -> None:
    graph.simulator.world.add_tenant("fabrikam").add_mailbox("dana@fabrikam.example")
    assert create(graph, "dana@fabrikam.example").code == "ErrorInvalidUser"


def test_the_case_of_an_address_does_not_matter(graph: GraphClient) -> None:
    assert create(graph, "ANNA%40Contoso.example").status == 201


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("unlicensed", 404, "MailboxNotEnabledForRESTAPI"),
        ("on_premises", 404, "MailboxNotEnabledForRESTAPI"),
        ("disabled", 403, "ErrorAccountDisabled"),
        ("moving", 503, "ErrorMailboxMoveInProgress"),
        ("no_calendar", 404, "ErrorFolderNotFound"),
        ("denied", 403, "ErrorAccessDenied"),
        ("store_unavailable", 503, "ErrorMailboxStoreUnavailable"),
    ],
)
def test_a_mailbox_that_is_not_well_says_so(graph: GraphClient, state: str, status: int, code: str) -> None:
    graph.tenant.mailboxes[ANNA].state = state
    refused = create(graph)
    assert (refused.status, refused.code) == (status, code)


@pytest.mark.parametrize(
    ("permission", "write", "read", "free_busy"),
    [
        ("Calendars.ReadWrite", 201, 200, 200),
        ("Calendars.Read", 403, 200, 200),
        ("Calendars.ReadBasic.All", 403, 403, 200),
        ("Mail.Read", 403, 403, 403),
    ],
)
def test_each_permission_opens_what_it_should(
    graph: GraphClient, permission: str, write: int, read: int, free_busy: int
) -> None:
    graph.app.permissions = {permission}
    answers = (create(graph), graph.checked("GET", f"/users/{ANNA}/events"), graph.schedule())
    assert [answer.status for answer in answers] == [write, read, free_busy]


def test_an_app_with_a_scope_reaches_nobody_outside_it(graph: GraphClient) -> None:
    graph.app.scope = {"Ben@contoso.example"}
    refused = create(graph)
    assert (refused.status, refused.code) == (403, "ErrorAccessDenied")
    assert create(graph, BEN).status == 201


@contextmanager
def four_in_flight(graph: GraphClient) -> Iterator[None]:
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(graph.simulator.in_flight(("lsa", ANNA)))
        yield


def test_a_fifth_request_at_once_to_a_mailbox_is_throttled(graph: GraphClient) -> None:
    with four_in_flight(graph):
        refused = create(graph, "Anna@contoso.example")
        assert (refused.status, refused.code) == (429, "ApplicationThrottled")
        assert refused.headers["retry-after"] == "1"
        assert create(graph, BEN).status == 201
    assert create(graph).status == 201


def test_the_limit_on_requests_at_once_can_be_lifted(graph: GraphClient) -> None:
    graph.simulator.graph_concurrency = None
    with four_in_flight(graph):
        assert create(graph).status == 201


def test_a_request_holds_its_place_for_as_long_as_it_takes(graph: GraphClient) -> None:
    graph.simulator.latency = 0.3
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: create(graph), range(2)))
    assert graph.simulator.peak["lsa", ANNA] == 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/me/events", 400),
        ("GET", f"/users/{ANNA}", 400),
        ("GET", f"/users/{ANNA}/messages", 400),
        ("POST", f"/users/{ANNA}/getSchedule", 400),
        ("GET", "/", 400),
        ("PUT", f"/users/{ANNA}/events", 405),
        ("GET", "/$batch", 405),
    ],
)
def test_a_path_or_method_that_does_not_exist_is_refused(
    graph: GraphClient, method: str, path: str, status: int
) -> None:
    assert graph.call(method, path).status == status


def test_an_address_cannot_break_out_of_its_segment(graph: GraphClient) -> None:
    assert create(graph, "anna%2Fcalendar@contoso.example").code == "ErrorInvalidUser"


def test_an_error_carries_the_callers_request_id(graph: GraphClient) -> None:
    refused = graph.checked("GET", "/users/nobody@contoso.example/events", client_request_id="corr-7")
    assert refused.json["error"]["innerError"]["client-request-id"] == "corr-7"
    assert refused.headers["client-request-id"] == "corr-7"
