"""Exchange credentials of a person: how they stand over the Org's, and their page in the admin."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client as Http
from django.urls import reverse

from orgs.models import Org, Person
from tests.orgs.conftest import OPTIONS

OWN = {"username": "admin@fabrikam.example", "password": "sesame-of-the-admin"}


@pytest.fixture
def special(person: Person) -> Person:
    person.options = OWN
    person.save()
    return Person.objects.get()


def page_of(person: Person) -> str:
    return reverse("admin:orgs_person_change", args=[person.pk])


def fields(person: Person, **options: str) -> dict[str, Any]:
    """The person's page as a browser sends it, with these options of its own and the others empty."""
    own = dict.fromkeys(OPTIONS, "") | options
    sent = {f"options-{name}": value for name, value in own.items()}
    return {"email": person.email, "active": "on", "options-backend": "paper", **sent}


def stored() -> Any:
    return Person.objects.get().options


def test_own_options_stand_over_those_of_the_org(special: Person) -> None:
    assert special.org.calendar(special).options == {**OPTIONS, **OWN}
    assert special.org.calendar().options == OPTIONS


def test_without_own_options_the_connection_is_the_orgs(person: Person) -> None:
    assert person.org.calendar(person) is person.org.calendar()


def test_a_secret_of_the_org_is_not_used_with_options_of_a_person(special: Person) -> None:
    special.options = {"endpoint": "https://elsewhere.example/"}
    assert special.org.calendar(special).options["password"] == ""


def test_options_of_a_former_backend_are_left_out(special: Person) -> None:
    special.options = {"tenant_id": "t"}
    assert special.org.calendar(special) is special.org.calendar()
    special.options = {"tenant_id": "t", **OWN}
    assert special.org.calendar(special).options == {**OPTIONS, **OWN}


def test_the_page_shows_own_options_only(admin_client: Http, special: Person) -> None:
    html = admin_client.get(page_of(special)).content.decode()
    assert 'name="options-username" value="admin@fabrikam.example"' in html
    assert re.search(r'<option value="" selected>the org&#x27;s</option>', html)
    assert not re.search(r'name="options-[^>]* required', html)
    assert not [
        shown for shown in (OPTIONS["endpoint"], OPTIONS["username"], OWN["password"]) if shown in html
    ]


def test_own_options_are_given_on_the_page(admin_client: Http, person: Person) -> None:
    assert admin_client.post(page_of(person), fields(person, **OWN)).status_code == 302
    assert stored() == OWN
    said = LogEntry.objects.get().get_change_message()
    assert "options.username and options.password." in said
    assert "sesame" not in said


def test_a_default_of_the_driver_is_not_an_own_option(admin_client: Http, person: Person) -> None:
    html = admin_client.get(page_of(person)).content.decode()
    assert not re.search(r'<option value="basic" selected>', html)
    admin_client.post(page_of(person), fields(person))
    assert stored() == {}


def test_an_own_secret_that_is_left_empty_is_kept(admin_client: Http, special: Person) -> None:
    admin_client.post(page_of(special), fields(special, username="other"))
    assert stored() == {**OWN, "username": "other"}


def test_own_options_are_given_up(admin_client: Http, special: Person) -> None:
    sent = {**fields(special), "options-forget_password": "on"}
    assert "Forget: Password" in admin_client.get(page_of(special)).content.decode()
    assert admin_client.post(page_of(special), sent).status_code == 302
    assert stored() == {}
    assert "options.username and options.password." in LogEntry.objects.get().get_change_message()


def test_own_options_need_their_own_secret(admin_client: Http, person: Person) -> None:
    html = admin_client.post(page_of(person), fields(person, username="typed")).content.decode()
    assert "This field is required." in html
    assert 'name="options-username" value="typed"' in html
    assert OPTIONS["endpoint"] not in html
    assert stored() == {}


def test_a_person_of_an_org_without_options_is_saved(admin_client: Http, person: Person) -> None:
    Org.objects.update(options={})
    html = admin_client.post(page_of(person), {**fields(person), "email": "x"}).content.decode()
    assert "Enter a valid email address." in html
    assert "This field is required." not in html
    assert admin_client.post(page_of(person), fields(person)).status_code == 302


def test_a_page_without_options_changes_none(admin_client: Http, special: Person) -> None:
    assert admin_client.post(page_of(special), {"email": special.email}).status_code == 302
    assert not Person.objects.get().active
    assert stored() == OWN


def test_a_page_with_options_of_a_former_backend_is_shown_again(admin_client: Http, special: Person) -> None:
    Org.objects.update(backend="other")
    html = admin_client.post(page_of(special), fields(special, **OWN)).content.decode()
    assert "The org has another calendar backend now." in html
    assert "removed on saving: password, username." in html
    sent = {"email": special.email, "options-backend": "other", "options-token": "t"}
    assert admin_client.post(page_of(special), sent).status_code == 302
    assert stored() == {"token": "t"}


def test_a_person_whose_backend_is_gone_is_saved(admin_client: Http, special: Person) -> None:
    Org.objects.update(backend="pigeon")
    assert admin_client.get(page_of(special)).status_code == 200
    assert admin_client.post(page_of(special), {"email": special.email}).status_code == 302


def test_who_may_only_look_sees_no_own_options(client: Http, special: Person) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_person"))
    client.force_login(viewer)
    html = client.get(page_of(special)).content.decode()
    assert special.email in html
    assert "options-username" not in html
