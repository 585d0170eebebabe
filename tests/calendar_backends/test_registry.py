"""Drivers by name, and what is said about names that are wrong."""

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from calendar_backends import registry
from tests.acme.acme_calendar import AcmeBackend

ACME = "tests.acme.acme_calendar.AcmeBackend"
OPTIONS = {"host": "acme.example", "api_key": "secret"}


@pytest.fixture(autouse=True)
def drivers(settings: Any) -> None:
    settings.CALENDAR_BACKENDS = {"acme": ACME}


def test_a_driver_is_loaded_by_its_name() -> None:
    assert registry.load("acme") is AcmeBackend


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(registry.UnknownBackend, match="Known: acme"):
        registry.load("exchange")


def test_the_same_options_share_a_connection_and_changed_ones_do_not() -> None:
    first = registry.connect("acme", OPTIONS)
    assert registry.connect("acme", dict(reversed(OPTIONS.items()))) is first
    assert registry.connect("acme", {**OPTIONS, "host": "other.example"}) is not first


def test_only_so_many_connections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MOST_OPEN", 2)
    closed: list[str] = []
    monkeypatch.setattr(AcmeBackend, "close", lambda self: closed.append(self.options["host"]))
    for host in ("a", "b", "a", "c"):
        registry.connect("acme", {**OPTIONS, "host": host})
    assert closed == ["b"]


@pytest.mark.parametrize(
    ("path", "check"),
    [
        ("no.such.module.Backend", "E001"),
        ("tests.acme.acme_calendar.NoSuchClass", "E002"),
        ("tests.acme.acme_calendar.AcmeOptions", "E002"),
        ("NoDots", "E001"),
    ],
)
def test_a_wrong_path_is_found_at_start_up(settings: Any, path: str, check: str) -> None:
    settings.CALENDAR_BACKENDS = {"broken": path}
    with pytest.raises(SystemCheckError, match=f"calendar_backends.{check}"):
        call_command("check", tags=["calendar_backends"], deploy=True)


def test_another_time_zone_is_found_at_start_up(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    with pytest.raises(SystemCheckError, match=r"calendar_backends\.E003"):
        call_command("check", tags=["calendar_backends"])
