"""A third party's driver works with one file and one line."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

from calendar_backends.base import CalendarBackend, Content, Interval
from calendar_backends.testing import BackendContract, Contents, Put
from orgs.models import Org, Person
from tests.acme.acme_calendar import SITES, AcmeBackend, Entry, Site
from tests.conftest import Salesforce, event, token_for

ANNA, BEN = "anna@contoso.com", "ben@contoso.com"


@pytest.fixture
def site() -> Iterator[Site]:
    SITES["acme.example"] = Site({ANNA: {}, BEN: {}})
    yield SITES["acme.example"]
    SITES.clear()


class TestAcme(BackendContract):
    @pytest.fixture
    def calendar(self, site: Site) -> CalendarBackend:
        return AcmeBackend({"host": "acme.example", "api_key": "secret"})

    @pytest.fixture
    def put(self, site: Site) -> Put:
        def put(mailbox: str, when: Interval, status: str) -> None:
            site.calendars[mailbox]["by hand"] = Entry(Content("Private", "", "", *when, show_as=status))

        return put

    @pytest.fixture
    def contents(self, site: Site) -> Contents:
        return lambda mailbox: [entry.content for entry in site.calendars[mailbox].values() if entry.stamp]


@pytest.fixture
def org(db: None, site: Site, settings: Any) -> Org:
    """An Org on Acme. This is the one line:"""
    settings.CALENDAR_BACKENDS = {"acme": "tests.acme.acme_calendar.AcmeBackend"}
    options = {"host": "acme.example", "api_key": "secret"}
    org = Org.objects.create(slug="acme", name="Acme", backend="acme", options=options)
    for address in (ANNA, BEN):
        Person.objects.create(org=org, email=address, rights=["updateOrganization"])
    return org


def test_the_four_calls_work_on_acme(org: Org, site: Site) -> None:
    salesforce = Salesforce(token_for(org, ANNA))
    body = event(BEN, organizerEmail=ANNA)
    assert salesforce.write("POST", body) == {ANNA: "NoError", BEN: "NoError"}
    [row] = salesforce.read(BEN)
    assert row["unavailableTimeslots"] == [
        {"timeMin": "2020-10-16T10:00:00Z", "timeMax": "2020-10-16T11:00:00Z"}
    ]
    new = event(organizerEmail=ANNA)
    assert salesforce.write("PUT", {"original": body, "new": new}) == {ANNA: "NoError", BEN: "NoError"}
    assert salesforce.write("DELETE", {"id": "event-1"}) == {ANNA: "NoError", BEN: "NoError"}
    assert site.calendars == {ANNA: {}, BEN: {}}


def test_the_line_can_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from config.env import env

    monkeypatch.setenv("CALENDAR_BACKENDS", "acme=tests.acme.acme_calendar.AcmeBackend")
    assert env.dict("CALENDAR_BACKENDS") == {"acme": "tests.acme.acme_calendar.AcmeBackend"}


def test_the_start_up_checks_accept_it(settings: Any) -> None:
    settings.CALENDAR_BACKENDS = {"acme": "tests.acme.acme_calendar.AcmeBackend"}
    call_command("check", tags=["calendar_backends"], deploy=True, fail_level="WARNING")
