from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from orgs.models import Client, Org, Person
from tests.orgs.conftest import OPTIONS, SECRET
from tests.orgs.driver import PaperBackend


def person(org: Org, **fields: Any) -> Person:
    return Person(org=org, **{"email": "grace@fabrikam.example", **fields})


@pytest.mark.parametrize(
    "slug", ["api", "admin", "oauth", "static", "Upper", "-x", "a--b", "a/b", "", "x" * 51]
)
def test_a_slug_that_would_not_work_in_a_url_is_refused(db: None, slug: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Org(slug=slug, name="x", backend="paper").full_clean()
    assert set(refusal.value.message_dict) == {"slug"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"backend": "pigeon"},
        {"on_unknown": "maybe"},
        {"blocking_statuses": ["busy", "asleep"]},
        {"blocking_statuses": ["busy", "busy"]},
        {"blocking_statuses": "busy"},
        {"blocking_statuses": []},
        {"read_deadline": 9.6},
        {"write_deadline": 111},
        {"optional_show_as": "oof"},
        {"reminder_minutes": 20161},
        {"reminder_minutes": -1},
    ],
)
def test_an_org_refuses_what_it_could_not_work_with(db: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Org(**{"slug": "x", "name": "x", "backend": "paper", **wrong}).full_clean()
    assert set(refusal.value.message_dict) == set(wrong)


def test_an_org_blocks_on_what_it_does_not_know(db: None) -> None:
    org = Org(slug="x", name="X")
    assert (org.backend, org.on_unknown, org.read_deadline) == ("graph", "block", 8)
    assert org.blocking_statuses == ["busy", "oof", "tentative", "unknown"]


def test_an_appointment_is_text_and_busy_with_a_reminder_unless_somebody_says_otherwise(db: None) -> None:
    org = Org(slug="x", name="X")
    assert (org.html_body, org.optional_show_as, org.reminder_minutes) == (False, "busy", 15)
    assert org.previous is None


def test_a_reminder_may_be_two_weeks_ahead_or_missing(db: None) -> None:
    for minutes in (20160, 0, None):
        Org(slug="x", name="x", backend="paper", reminder_minutes=minutes).full_clean()


def test_an_org_opens_its_driver_with_its_options(org: Org) -> None:
    calendar = org.calendar()
    assert isinstance(calendar, PaperBackend)
    assert calendar.options == OPTIONS
    assert Org.objects.get().calendar() is calendar
    org.options = {**OPTIONS, "password": "new"}
    assert org.calendar() is not calendar


def test_an_address_is_unique_in_its_org_whatever_its_case(org: Org) -> None:
    person(org, email="Grace@Fabrikam.example").save()
    with pytest.raises(ValidationError, match="already has a person with this address"):
        person(org).full_clean()
    with pytest.raises(IntegrityError):
        person(org).save()


def test_an_address_may_stand_in_two_orgs(org: Org) -> None:
    person(org).save()
    person(Org.objects.create(slug="contoso", name="Contoso")).save()
    assert Person.objects.count() == 2


def test_the_short_and_the_long_form_of_a_salesforce_id_are_one_user(org: Org) -> None:
    person(org, salesforce_user_id="005000000000001").save()
    second = person(org, email="b@fabrikam.example", salesforce_user_id="005000000000001AAA")
    with pytest.raises(ValidationError, match="Salesforce user id"):
        second.full_clean()


def test_many_people_may_have_no_salesforce_id(org: Org) -> None:
    person(org).save()
    person(org, email="b@fabrikam.example").full_clean()


@pytest.mark.parametrize("wrong", [{"salesforce_user_id": "005"}, {"rights": ["fly"]}, {"email": "grace"}])
def test_a_person_refuses_what_does_not_exist(org: Org, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        person(org, **wrong).full_clean()
    assert set(refusal.value.message_dict) == set(wrong)


def test_a_person_may_what_the_rights_say(org: Org) -> None:
    assert person(org, rights=["updateOrganization"]).may("updateOrganization")
    assert not person(org).may("updateOrganization")


def test_a_secret_that_looks_like_a_hash_is_hashed_all_the_same(oauth_client: Client) -> None:
    stolen = oauth_client.client_secret
    assert oauth_client.has_secret(SECRET)
    oauth_client.set_secret(stolen)
    oauth_client.save()
    oauth_client.refresh_from_db()
    assert oauth_client.client_secret != stolen
    assert oauth_client.has_secret(stolen)


def test_an_org_whose_driver_is_gone_is_reported(org: Org, settings: Any) -> None:
    assert run_checks(tags=["database"], databases=["default"]) == []
    settings.CALENDAR_BACKENDS = {"other": "tests.orgs.driver.OtherBackend"}
    (error,) = run_checks(tags=["database"], databases=["default"])
    assert error.id == "orgs.E001"
    assert '"fabrikam" uses the calendar backend "paper"' in error.msg


def test_before_the_first_migrate_there_is_nothing_to_report(
    org: Org, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CALENDAR_BACKENDS = {}
    monkeypatch.setattr(Org._meta, "db_table", "not_there_yet")
    assert run_checks(tags=["database"], databases=["default"]) == []


def test_migrate_alone_makes_the_table_of_the_cache(db: None, settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "second_cache"}
    }
    migration = import_module("orgs.migrations.0002_cache_table")
    migration.create_cache_table(None, SimpleNamespace(connection=connection))
    assert "second_cache" in connection.introspection.table_names()
