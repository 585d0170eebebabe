"""Everything around the four calls: who may, which paths, which bodies, which answers."""

import json
import logging
from typing import Any

import pytest
from rest_framework.test import APIClient

from calendar_backends.simulator import Simulator
from orgs.models import Org, Person
from tests.conftest import Salesforce, event

WINDOW = "availability?from=2020-10-15T00:00:00Z&to=2020-10-16T00:00:00Z"
ROWS = '[{"email": "attendee1@contoso.com"}]'


@pytest.fixture
def backend() -> str:
    """One driver is enough here."""
    return "ews"


def test_an_org_is_also_reached_below_its_slug(salesforce: Salesforce) -> None:
    assert salesforce.send("POST", f"/contoso/api/salesforce/scheduler/{WINDOW}", ROWS).status_code == 200


@pytest.mark.parametrize("slug", ["fabrikam", "no-such-org"])
def test_the_token_of_another_org_is_refused(salesforce: Salesforce, slug: str) -> None:
    Org.objects.create(slug="fabrikam", name="Fabrikam", backend="ews", options={})
    for path in (WINDOW, "postback"):
        answer = salesforce.send("POST", f"/{slug}/api/salesforce/scheduler/{path}", ROWS)
        assert answer.status_code == 403


@pytest.mark.parametrize(("method", "path"), [("POST", WINDOW), ("PUT", "postback"), ("DELETE", "postback")])
def test_without_a_token_the_answer_is_401(db: None, method: str, path: str) -> None:
    answer = getattr(APIClient(), method.lower())(f"/api/salesforce/scheduler/{path}")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_disabled_org_is_refused_at_once(org: Org, salesforce: Salesforce) -> None:
    Org.objects.update(active=False)
    assert salesforce.send("POST", WINDOW, ROWS).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", WINDOW), ("PATCH", "postback"), ("DELETE", WINDOW), ("PUT", "postback/delete")],
)
def test_a_wrong_method_is_405(salesforce: Salesforce, method: str, path: str) -> None:
    assert salesforce.send(method, path).status_code == 405


def test_a_wrong_content_type_is_415(salesforce: Salesforce) -> None:
    url = f"/api/salesforce/scheduler/{WINDOW}"
    answer = salesforce.client.post(url, ROWS, content_type="text/xml")
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "path", ["/api/", "/api/salesforce/", "/contoso/api/none", "/api/salesforce/scheduler/x"]
)
def test_any_other_path_is_404_in_the_same_shape(salesforce: Salesforce, path: str) -> None:
    answer = salesforce.send("POST", path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"type", "errors"}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('[{"email" "a@b.c"}]', "line 1, column 11"),
        ('[\n  {"email": nope}\n]', "line 2, column 13"),
        ("", "expected a list"),
        ("[{'email': 1}]", "line 1, column 3"),
        ('[{"email": "a"} // why\n]', "line 1"),
        ('{"a": NaN}', "NaN"),
        ('"' + '\\"' * 300_000, "line 1"),
    ],
    ids=["colon", "line-2", "empty", "quotes", "comment", "nan", "unclosed"],
)
def test_what_is_not_json_is_400_with_its_place(salesforce: Salesforce, body: str, place: str) -> None:
    answer = salesforce.send("POST", WINDOW, body)
    assert answer.status_code == 400
    assert place.lower() in answer.json()["errors"][0]["detail"].lower()


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_body_nested_too_deeply_is_400(salesforce: Salesforce, opening: str) -> None:
    for depth in (40, 200_000):
        body = opening * depth + "1" + {"[": "]", '{"a":': "}"}[opening] * depth
        answer = salesforce.send("POST", WINDOW, body)
        assert answer.status_code == 400
        assert "32 levels" in answer.json()["errors"][0]["detail"]


def test_commas_inside_strings_are_left_alone(exchange: Simulator, salesforce: Salesforce) -> None:
    body = json.dumps(event(subject='a ,] , } "x" } "y')).replace('"attendees": []', '"attendees": [],')
    assert salesforce.send("POST", "postback", body).status_code == 200
    assert exchange.world.mailbox("test@contoso.com").items[0].subject == 'a ,] , } "x" } "y'  # type: ignore[union-attr]


def test_an_org_may_insist_on_json(org: Org, salesforce: Salesforce) -> None:
    Org.objects.update(repair_json=False)
    answer = salesforce.send("POST", WINDOW, '[{"email": "attendee1@contoso.com",}]')
    assert answer.status_code == 400
    assert "column 36" in answer.json()["errors"][0]["detail"]


def test_a_repair_is_logged(salesforce: Salesforce, caplog: pytest.LogCaptureFixture) -> None:
    salesforce.send("POST", WINDOW, '[{"email": "attendee1@contoso.com",}]')
    assert "repaired a body" in caplog.text


def test_a_byte_order_mark_is_no_mistake(salesforce: Salesforce) -> None:
    assert salesforce.send("POST", WINDOW, "\ufeff" + ROWS).status_code == 200


def test_text_that_is_not_utf8_is_400(salesforce: Salesforce) -> None:
    url = f"/api/salesforce/scheduler/{WINDOW}"
    body: Any = b'[{"email": "\xff"}]'
    answer = salesforce.client.generic("POST", url, body, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("backend", ["ews", "graph"])
@pytest.mark.parametrize("place", ["top", "new", "query"])
def test_the_correlation_id_goes_everywhere(
    exchange: Simulator, salesforce: Salesforce, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    body: dict[str, Any] = {"original": event(), "new": event()}
    if place != "query":
        (body if place == "top" else body["new"])["salesforceCorrelationId"] = "abc-1"
    path = "postback?salesforceCorrelationId=abc-1" if place == "query" else "postback"
    with caplog.at_level(logging.INFO):
        answer = salesforce.send("PUT", path, body)
    assert answer["X-Salesforce-Correlation-Id"] == "abc-1"
    upstream = {seen.headers.get("client-request-id") for seen in exchange.requests if seen.face != "token"}
    assert upstream == {"abc-1"}


def test_a_request_without_correlation_id_gets_one(salesforce: Salesforce) -> None:
    first, second = (salesforce.send("POST", WINDOW, ROWS)["X-Salesforce-Correlation-Id"] for _ in "12")
    assert first != second
    assert len(first) == 36


def test_a_correlation_id_cannot_break_a_header_or_a_log_line(salesforce: Salesforce) -> None:
    answer = salesforce.send("POST", f"{WINDOW}&salesforceCorrelationId=a%0D%0AX-Evil:%201%C3%A9", ROWS)
    assert answer["X-Salesforce-Correlation-Id"] == "a%0D%0AX-Evil: 1%C3%A9"
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize("backend", ["ews", "graph"])
def test_subjects_bodies_and_tokens_are_never_logged(
    org: Org, exchange: Simulator, salesforce: Salesforce, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.conftest import token_for

    token = token_for(org)
    with caplog.at_level(logging.INFO):
        caller = Salesforce(token)
        caller.send("POST", "postback", event("gone@contoso.com", subject="Divorce", body="of the Smiths"))
        caller.send("POST", "postback", '{"subject": "Divorce" "Smiths"')
        caller.send("DELETE", "postback?id=event-1&attendees=attendee1@contoso.com")
    assert not any(
        word in caplog.text for word in ("Divorce", "Smiths", token, "service-password", "app-secret")
    )
    assert "attendee1@contoso.com" not in "".join(
        record.getMessage() for record in caplog.records if record.name == "scheduler_api.middleware"
    )


def test_every_log_line_of_a_request_names_the_org_and_the_correlation_id(
    salesforce: Salesforce, capsys: pytest.CaptureFixture[str]
) -> None:
    from scheduler_api.logs import LineFormatter, RequestFilter

    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Collect()
    handler.addFilter(RequestFilter())
    handler.setFormatter(LineFormatter("{name} org={org} correlation={correlation} {message}", style="{"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    try:
        salesforce.send("POST", f"{WINDOW}&salesforceCorrelationId=abc-1", ROWS)
    finally:
        logging.getLogger().removeHandler(handler)
    assert {line.split()[0] for line in lines} >= {"scheduler_api.middleware", "scheduler_api.availability"}
    assert any(line.startswith("calendar_backends.") for line in lines)
    assert all("org=contoso correlation=abc-1 " in line for line in lines)


def test_a_person_of_two_orgs_reaches_only_the_org_of_the_token(salesforce: Salesforce, org: Org) -> None:
    other = Org.objects.create(slug="fabrikam", name="Fabrikam", backend="ews", options={})
    Person.objects.create(org=other, email="test@contoso.com", rights=["updateOrganization"])
    salesforce.write("POST", event())
    assert org.events.count() == 1
    assert other.events.count() == 0
