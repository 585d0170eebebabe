from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client as Http
from drf_spectacular.generators import SchemaGenerator
from oauth2_provider.models import get_access_token_model

from orgs.models import Client, Org, Person
from orgs.tokens import issue_token

pytestmark = pytest.mark.urls("tests.orgs.views")


@pytest.fixture
def token(person: Person) -> str:
    return issue_token(person, lifetime=timedelta(hours=1))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_speaks_for_the_person_its_client_acts_as(client: Http, token: str) -> None:
    answer = client.get("/whoami", headers=bearer(token))
    assert answer.json() == {"email": "Admin@Fabrikam.example", "org": "fabrikam"}


def test_a_token_of_the_token_endpoint_is_accepted(
    client: Http, oauth_client: Client, ask_token: Callable[..., Any]
) -> None:
    token = ask_token().json()["access_token"]
    assert client.get("/whoami", headers=bearer(token)).status_code == 200


def test_a_call_costs_one_query(
    client: Http, token: str, django_assert_num_queries: Callable[..., Any]
) -> None:
    with django_assert_num_queries(1):
        client.get("/fabrikam/whoami", headers=bearer(token))


def test_a_caller_without_a_token_is_asked_for_one(client: Http, db: None) -> None:
    response = client.get("/whoami")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


@pytest.mark.parametrize("value", ["Bearer unheard-of", "Bearer ", "bearer é", "Bearer a b"])
def test_a_token_that_is_not_known_is_refused(client: Http, db: None, value: str) -> None:
    response = client.get("/whoami", headers={"Authorization": value})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_another_scheme_is_no_token(client: Http, db: None) -> None:
    assert client.get("/whoami", headers={"Authorization": "Basic YTpi"}).status_code == 401


def test_an_expired_token_is_refused(client: Http, token: str) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1, seconds=1)):
        response = client.get("/whoami", headers=bearer(token))
    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_a_revoked_token_is_refused_at_once(client: Http, token: str) -> None:
    assert client.get("/whoami", headers=bearer(token)).status_code == 200
    get_access_token_model().objects.get().revoke()
    assert client.get("/whoami", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("whose", ["client", "person", "org"])
def test_who_is_disabled_is_refused_at_once(client: Http, token: str, person: Person, whose: str) -> None:
    assert client.get("/whoami", headers=bearer(token)).status_code == 200
    rows: dict[str, Any] = {"client": Client.objects.get(), "person": person, "org": person.org}
    disabled = rows[whose]
    disabled.active = False
    disabled.save()
    response = client.get("/whoami", headers=bearer(token))
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_token_without_a_client_is_refused(client: Http, token: str) -> None:
    get_access_token_model().objects.update(application=None)
    assert client.get("/whoami", headers=bearer(token)).status_code == 401


def test_a_token_for_another_resource_is_refused(client: Http, token: str) -> None:
    tokens = get_access_token_model().objects
    tokens.update(resource=["https://elsewhere.example/"])
    assert client.get("/whoami", headers=bearer(token)).status_code == 401
    tokens.update(resource=["http://testserver/whoami"])
    assert client.get("/whoami", headers=bearer(token)).status_code == 200


def test_the_caller_is_refused_before_the_body_is_read(client: Http, db: None) -> None:
    response = client.post("/whoami", "no JSON", "application/json", headers=bearer("unheard-of"))
    assert response.status_code == 401


@pytest.mark.parametrize("slug", ["contoso", "unheard-of"])
def test_a_token_of_another_org_is_forbidden(client: Http, token: str, slug: str) -> None:
    Org.objects.create(slug="contoso", name="Contoso")
    response = client.get(f"/{slug}/whoami", headers=bearer(token))
    assert response.status_code == 403
    assert response.json()["errors"][0]["detail"] == "The token belongs to another org."


def test_under_an_orgs_address_a_missing_token_is_401(client: Http, db: None) -> None:
    assert client.get("/unheard-of/whoami").status_code == 401


def test_who_lacks_the_right_is_told_its_name(client: Http, token: str, person: Person) -> None:
    assert client.get("/change", headers=bearer(token)).status_code == 200
    person.rights = []
    person.save()
    response = client.get("/change", headers=bearer(token))
    assert response.status_code == 403
    assert "updateOrganization" in response.json()["errors"][0]["detail"]


def test_the_schema_describes_client_credentials(db: None) -> None:
    generator: Any = SchemaGenerator
    schema = generator(urlconf="tests.orgs.views").get_schema(request=None, public=True)
    (scheme,) = schema["components"]["securitySchemes"].values()
    assert scheme["flows"]["clientCredentials"]["tokenUrl"] == "/oauth/token"
