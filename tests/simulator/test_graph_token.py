"""Sign-in: who gets a token, and how the others are told why not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.simulator.graph_client import ANNA, Answer, GraphClient, contoso, http


@pytest.fixture
def graph() -> Iterator[GraphClient]:
    with contoso() as client:
        yield client


def sign_in(graph: GraphClient, tenant_id: str | None = None, **changes: str | None) -> Answer:
    form = {
        "grant_type": "client_credentials",
        "client_id": "lsa",
        "client_secret": "graph-secret",
        "scope": f"{graph.simulator.url}/.default",
    }
    sent = {name: value for name, value in (form | changes).items() if value is not None}
    path = f"/{tenant_id or graph.tenant.tenant_id}/oauth2/v2.0/token"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return http(graph.simulator, "POST", path, urlencode(sent).encode(), headers)


def assertion(graph: GraphClient, **changes: Any) -> str:
    endpoint = f"{graph.simulator.url}/{graph.tenant.tenant_id}/oauth2/v2.0/token"
    claims = {"aud": endpoint, "iss": "lsa", "sub": "lsa", "exp": time.time() + 600} | changes
    parts = ({"alg": "PS256", "typ": "JWT", "x5t#S256": "abc"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "signature"])


def sign_in_with_certificate(graph: GraphClient, text: str) -> Answer:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return sign_in(graph, client_secret=None, client_assertion_type=kind, client_assertion=text)


def test_the_right_secret_gets_a_token_that_opens_a_calendar(graph: GraphClient) -> None:
    answer = sign_in(graph)
    assert (answer.status, answer.json["token_type"], answer.json["expires_in"]) == (200, "Bearer", 3599)
    graph.token = answer.json["access_token"]
    assert graph.checked("GET", f"/users/{ANNA}/events").status == 200


def test_a_tenant_is_also_known_by_its_domain(graph: GraphClient) -> None:
    assert sign_in(graph, "contoso.example").status == 200


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": None}, 401, "invalid_client", 7000216),
        ({"client_id": "other"}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": None}, 400, "invalid_request", 900144),
        ({"scope": "https://graph.microsoft.com/Calendars.Read"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://graph.microsoft.com/.default"}, 400, "invalid_resource", 500011),
        ({"tenant_id": "unknown.example"}, 400, "invalid_request", 90002),
    ],
)
def test_a_wrong_sign_in_is_refused_by_number(
    graph: GraphClient, changes: dict[str, str | None], status: int, error: str, number: int
) -> None:
    answer = sign_in(graph, **changes)
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (status, error, [number])
    assert answer.json["error_description"].startswith(f"AADSTS{number}: ")


def test_a_token_expires_when_it_said_it_would(graph: GraphClient) -> None:
    graph.simulator.token_lifetime = 0
    graph.token = sign_in(graph).json["access_token"]
    refused = graph.checked("GET", f"/users/{ANNA}/events")
    assert (refused.status, refused.code) == (401, "InvalidAuthenticationToken")
    assert "expired" in refused.json["error"]["message"]


def test_a_registered_certificate_gets_a_token(graph: GraphClient) -> None:
    graph.app.certificate_accepted = True
    assert sign_in_with_certificate(graph, assertion(graph)).status == 200


@pytest.mark.parametrize(
    ("changes", "number"),
    [({"exp": 1}, 700024), ({"aud": "http://127.0.0.1/other"}, 700023), ({"sub": "someone"}, 700023)],
)
def test_a_certificate_must_prove_the_right_thing(
    graph: GraphClient, changes: dict[str, Any], number: int
) -> None:
    graph.app.certificate_accepted = True
    refused = sign_in_with_certificate(graph, assertion(graph, **changes))
    assert (refused.status, refused.json["error_codes"]) == (401, [number])


def test_an_unregistered_certificate_is_refused(graph: GraphClient) -> None:
    assert sign_in_with_certificate(graph, assertion(graph)).json["error_codes"] == [700027]


def test_an_assertion_that_is_no_jwt_is_refused(graph: GraphClient) -> None:
    graph.app.certificate_accepted = True
    assert sign_in_with_certificate(graph, "a.b.c").json["error_codes"] == [50027]


def test_discovery_leads_to_the_token_endpoint(graph: GraphClient) -> None:
    found = http(graph.simulator, "GET", "/common/discovery/instance", None, {})
    assert found.json["metadata"][0]["preferred_network"] in graph.simulator.url
    path = f"/{graph.tenant.tenant_id}/v2.0/.well-known/openid-configuration"
    configuration = http(graph.simulator, "GET", path, None, {}).json
    assert configuration["token_endpoint"].endswith(f"/{graph.tenant.tenant_id}/oauth2/v2.0/token")


def test_the_token_endpoint_takes_post_only(graph: GraphClient) -> None:
    path = f"/{graph.tenant.tenant_id}/oauth2/v2.0/token"
    assert http(graph.simulator, "GET", path, None, {}).json["error_codes"] == [900561]


def test_signing_in_is_no_round_trip_to_exchange(graph: GraphClient) -> None:
    sign_in(graph)
    assert graph.simulator.counters["token"] == 1
    assert graph.simulator.round_trips() == 0
