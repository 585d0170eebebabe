from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client as Http

from orgs.models import Client, Org, Person

OPTIONS = {
    "endpoint": "https://paper.example/",
    "auth_type": "basic",
    "username": "service@fabrikam.example",
    "password": "sesame-of-the-mailboxes",
    "ca_bundle": "",
}
SECRET = "secret-of-the-client-0123456789"


@pytest.fixture(autouse=True)
def drivers(settings: Any) -> None:
    settings.CALENDAR_BACKENDS = {
        "paper": "tests.orgs.driver.PaperBackend",
        "other": "tests.orgs.driver.OtherBackend",
    }


@pytest.fixture
def org(db: None) -> Org:
    return Org.objects.create(slug="fabrikam", name="Fabrikam", backend="paper", options=OPTIONS)


@pytest.fixture
def person(org: Org) -> Person:
    return Person.objects.create(org=org, email="Admin@Fabrikam.example", rights=["updateOrganization"])


@pytest.fixture
def oauth_client(person: Person) -> Client:
    return Client.objects.create(client_id="salesforce-fabrikam", client_secret=SECRET, acts_as=person)


@pytest.fixture
def fresh_cache(db: None) -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ask_token(client: Http, fresh_cache: None) -> Callable[..., Any]:
    """POST to the token endpoint as a form; keyword arguments override the form's fields."""

    def ask(path: str = "/oauth/token", headers: dict[str, str] | None = None, **fields: str) -> Any:
        form = {"grant_type": "client_credentials", "client_id": "salesforce-fabrikam", **fields}
        form.setdefault("client_secret", SECRET)
        return client.post(path, {k: v for k, v in form.items() if v is not None}, headers=headers)

    return ask
