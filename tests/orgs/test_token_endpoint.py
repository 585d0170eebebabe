from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.test import Client as Http
from oauth2_provider.models import get_access_token_model

from orgs.models import Client, Org, Person
from tests.orgs.conftest import SECRET

pytestmark = pytest.mark.usefixtures("oauth_client")
Ask = Callable[..., Any]


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_a_token_is_given_for_credentials_in_the_body(ask_token: Ask) -> None:
    response = ask_token()
    assert response.status_code == 200
    answer = response.json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert len(answer["access_token"]) >= 30
    assert "refresh_token" not in answer


def test_a_token_is_given_for_credentials_in_a_basic_header(client: Http, fresh_cache: None) -> None:
    headers = basic("salesforce-fabrikam", SECRET)
    response = client.post("/oauth/token/", {"grant_type": "client_credentials"}, headers=headers)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/fabrikam/oauth/token", "/fabrikam/oauth/token/"])
def test_a_token_is_given_under_the_address_of_its_org(ask_token: Ask, path: str) -> None:
    assert ask_token(path).status_code == 200


@pytest.mark.parametrize("slug", ["contoso", "unheard-of"])
def test_a_client_is_unknown_under_the_address_of_another_org(ask_token: Ask, slug: str) -> None:
    Org.objects.create(slug="contoso", name="Contoso")
    response = ask_token(f"/{slug}/oauth/token")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert get_access_token_model().objects.count() == 0


def test_an_empty_scope_is_as_good_as_none(ask_token: Ask) -> None:
    assert ask_token(scope="").status_code == 200
    assert ask_token(scope="scheduler").json()["scope"] == "scheduler"
    assert ask_token(scope="everything").json()["error"] == "invalid_scope"


def test_no_token_and_no_secret_is_stored_readably(ask_token: Ask, oauth_client: Client) -> None:
    raw = ask_token().json()["access_token"]
    token = get_access_token_model().objects.get()
    oauth_client.refresh_from_db()
    assert token.token == ""
    assert raw not in str(vars(token))
    assert SECRET not in oauth_client.client_secret


@pytest.mark.parametrize(
    "wrong",
    [{"client_secret": "wrong"}, {"client_secret": ""}, {"client_id": "unheard-of"}, {"client_id": "nul\0"}],
)
def test_wrong_credentials_are_an_invalid_client(ask_token: Ask, wrong: dict[str, str]) -> None:
    response = ask_token(**wrong)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "grant",
    ["password", "refresh_token", "authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
)
def test_no_other_grant_is_served(ask_token: Ask, grant: str) -> None:
    response = ask_token(grant_type=grant, username="a", password="b", refresh_token="c", code="d")
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")


def test_a_request_without_a_grant_type_is_invalid(client: Http, fresh_cache: None) -> None:
    response = client.post("/oauth/token", {"client_id": "salesforce-fabrikam"})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("query", ["client_secret=x", "%zz"])
def test_parameters_in_the_address_are_refused(ask_token: Ask, query: str) -> None:
    response = ask_token(f"/oauth/token?{query}")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_the_token_endpoint_answers_post_only(client: Http) -> None:
    assert client.get("/oauth/token").status_code == 405


@pytest.mark.parametrize("whose", ["client", "person", "org"])
def test_who_is_disabled_gets_no_token(ask_token: Ask, oauth_client: Client, whose: str) -> None:
    person = oauth_client.acts_as
    rows: dict[str, Any] = {"client": oauth_client, "person": person, "org": person.org}
    disabled = rows[whose]
    disabled.active = False
    disabled.save()
    assert ask_token().json()["error"] == "invalid_client"


def test_after_twenty_wrong_secrets_a_minute_nothing_is_heard(ask_token: Ask) -> None:
    with time_machine.travel("2026-03-02T09:00:15Z", tick=False) as clock:
        for _ in range(20):
            assert ask_token(client_secret="wrong").status_code == 401
        response = ask_token()
        assert (response.status_code, response["Retry-After"]) == (429, "45")
        clock.shift(45)
        assert ask_token().status_code == 200


def test_a_decoy_in_the_basic_header_does_not_hide_guesses_in_the_body(ask_token: Ask) -> None:
    with time_machine.travel("2026-03-02T09:00:15Z", tick=False):
        for turn in range(20):
            ask_token(client_secret="wrong", headers=basic(f"decoy-{turn}", "x"))
        assert ask_token(headers=basic("decoy", "x")).status_code == 429


def test_the_failures_of_one_client_do_not_shut_out_another(ask_token: Ask, person: Person) -> None:
    Client.objects.create(client_id="second", client_secret=SECRET, acts_as=person)
    with time_machine.travel("2026-03-02T09:00:15Z", tick=False):
        for _ in range(20):
            ask_token(client_secret="wrong")
        assert ask_token(client_id="second").status_code == 200


def test_success_is_not_counted(ask_token: Ask) -> None:
    with time_machine.travel("2026-03-02T09:00:15Z", tick=False):
        assert {ask_token().status_code for _ in range(25)} == {200}


def test_an_address_that_a_caller_made_up_is_not_believed(ask_token: Ask, settings: Any) -> None:
    with time_machine.travel("2026-03-02T09:00:15Z", tick=False):
        for turn in range(20):
            ask_token(client_secret="wrong", headers={"X-Forwarded-For": f"10.0.0.{turn}"})
        assert ask_token().status_code == 429


def test_behind_a_proxy_the_callers_own_address_counts(ask_token: Ask, settings: Any) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    with time_machine.travel("2026-03-02T09:00:15Z", tick=False):
        for turn in range(20):
            ask_token(client_secret="wrong", headers={"X-Forwarded-For": f"10.0.0.{turn}, 192.0.2.1"})
        assert ask_token(headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 429
        assert ask_token(headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 200
