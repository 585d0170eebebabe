from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Http
from oauth2_provider.models import get_access_token_model

from orgs import rotation
from orgs.crypto import DecryptionError, uses_old_key
from orgs.models import Client, Org, Person
from scheduler_api.models import Event

OLD, NEW = b"o" * 32, b"n" * 32


def run(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


@pytest.mark.urls("tests.orgs.views")
def test_issue_token_prints_a_token_that_works_and_nothing_else(client: Http, person: Person) -> None:
    printed = run("issue_token", "fabrikam", "admin@fabrikam.EXAMPLE")
    (token,) = printed.split()
    assert printed == f"{token}\n"
    answer = client.get("/whoami", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["email"] == person.email


def test_an_issued_token_is_stored_as_a_hash_only(person: Person) -> None:
    token = run("issue_token", "fabrikam", person.email).strip()
    row = get_access_token_model().objects.get()
    assert row.token == ""
    assert token not in str(vars(row))


def test_issue_token_asks_how_long(person: Person) -> None:
    run("issue_token", "fabrikam", person.email, "--days=30")
    left = get_access_token_model().objects.get().expires - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_the_issued_tokens_of_a_person_share_one_client(person: Person) -> None:
    run("issue_token", "fabrikam", person.email)
    run("issue_token", "fabrikam", person.email)
    assert Client.objects.get(acts_as=person, by_command=True)
    assert get_access_token_model().objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["contoso", "admin@fabrikam.example"], 'There is no org "contoso".'),
        (["fabrikam", "x@fabrikam.example"], 'has no person with the address "x@fabrikam.example"'),
        (["fabrikam", "admin@fabrikam.example", "--days=0"], "--days"),
    ],
)
def test_issue_token_says_what_it_does_not_know(person: Person, arguments: list[str], refusal: str) -> None:
    with pytest.raises(CommandError, match=refusal):
        run("issue_token", *arguments)


@pytest.mark.parametrize("whose", ["org", "person", "client"])
def test_issue_token_refuses_who_is_disabled(person: Person, whose: str) -> None:
    run("issue_token", "fabrikam", person.email)
    rows: dict[str, Any] = {"org": person.org, "person": person, "client": Client.objects.get()}
    rows[whose].active = False
    rows[whose].save()
    with pytest.raises(CommandError, match="disabled"):
        run("issue_token", "fabrikam", person.email)


def test_probe_org_tries_the_first_active_person(org: Org) -> None:
    Person.objects.create(org=org, email="gone@fabrikam.example", active=False)
    Person.objects.create(org=org, email="Admin@Fabrikam.example")
    Person.objects.create(org=org, email="aaron@fabrikam.example")
    assert run("probe_org", "fabrikam").splitlines() == [
        "sign-in                              NoError",
        "free/busy of Admin@Fabrikam.example  NoError",
    ]


def test_probe_org_fails_with_advice(org: Org) -> None:
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 1 checks failed"):
        call_command("probe_org", "fabrikam", mailbox="nobody@fabrikam.example", stdout=out)
    assert out.getvalue() == "free/busy  ErrorNonExistentMailbox  Create nobody@fabrikam.example.\n"


def test_probe_org_shows_an_error_of_the_whole_connection(org: Org) -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("probe_org", "fabrikam", mailbox="down@fabrikam.example", stdout=out)
    assert out.getvalue() == "connection  ErrorConnectionFailed  refused\n"


@pytest.mark.parametrize(("slug", "refusal"), [("fabrikam", "name a mailbox"), ("x", "There is no org")])
def test_probe_org_says_what_it_lacks(org: Org, slug: str, refusal: str) -> None:
    with pytest.raises(CommandError, match=refusal):
        run("probe_org", slug)


@pytest.fixture
def old_secrets(settings: Any, org: Org) -> None:
    """An Org, a Person and an Event, encrypted with an old key; a cancelled Event has nothing to encrypt."""
    settings.ENCRYPTION_KEYS = [OLD]
    org.previous = {"backend": "other", "options": {"token": "t"}}
    org.save()
    Person.objects.create(org=org, email="grace@fabrikam.example", options={"password": "own"})
    Event.objects.create(org=org, salesforce_id="00U1", content={"subject": "s"})
    Event.objects.create(org=org, salesforce_id="00U2")
    settings.ENCRYPTION_KEYS = [NEW, OLD]


@pytest.mark.usefixtures("old_secrets")
def test_after_rotate_secrets_the_old_key_is_not_needed(settings: Any) -> None:
    fields = ["Org.options", "Org.previous", "Person.options"]
    encrypted = [f"orgs.{field}" for field in fields] + ["scheduler_api.Event.content"]
    said = run("rotate_secrets").splitlines()
    assert said == [f"{field}: 1 of 1 used an old key" for field in encrypted]
    settings.ENCRYPTION_KEYS = [NEW]
    org = Org.objects.get()
    assert org.options["password"] == "sesame-of-the-mailboxes"
    assert org.previous == {"backend": "other", "options": {"token": "t"}}
    assert Person.objects.get().options == {"password": "own"}
    assert Event.objects.get(salesforce_id="00U1").content == {"subject": "s"}
    assert "0 of 1 used" in run("rotate_secrets")


@pytest.mark.usefixtures("old_secrets")
def test_a_dry_run_of_rotate_secrets_changes_nothing(settings: Any) -> None:
    assert "orgs.Org.options: 1 of 1 use an old key" in run("rotate_secrets", "--dry-run")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(DecryptionError):
        Org.objects.get()


@pytest.mark.usefixtures("old_secrets")
def test_rotate_secrets_names_a_field_that_no_key_opens(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(CommandError, match=r"orgs\.Org\.options: ENCRYPTION_KEYS lacks the key"):
        run("rotate_secrets")


@pytest.mark.usefixtures("old_secrets")
def test_what_is_saved_during_a_rotation_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def save_then_tell(text: str, tell: Callable[[str], bool] = uses_old_key) -> bool:
        Org.objects.update(options={"password": "newer"})
        return tell(text)

    Event.objects.all().delete()
    Person.objects.all().delete()
    monkeypatch.setattr(rotation, "uses_old_key", save_then_tell)
    run("rotate_secrets")
    assert Org.objects.get().options == {"password": "newer"}
