"""What the driver needs of exchangelib and requests_ntlm beyond their documented names.

If one of these fails after an upgrade, read the changed code before the test is changed.
"""

import inspect
from collections.abc import Callable
from typing import Any

import exchangelib
import pytest
import requests_ntlm
from exchangelib import CalendarItem, services
from exchangelib.protocol import CachingProtocol

from calendar_backends.base import STAMP_GUID, STAMP_NAME, Verb
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Simulator

from .conftest import ANNA, MORNING, change, soon


def test_the_version_is_the_one_whose_code_was_read() -> None:
    assert exchangelib.__version__ == "5.6.0"


@pytest.mark.parametrize(
    "name", ["CreateItem", "UpdateItem", "DeleteItem", "FindItem", "GetItem", "GetUserAvailability"]
)
def test_a_service_builds_and_wraps_a_payload(name: str) -> None:
    service = getattr(services, name)
    assert name == service.SERVICE_NAME
    assert callable(service.get_payload)
    assert list(inspect.signature(service.wrap).parameters) == ["self", "content", "api_version"]


def test_the_stamp_is_a_field_of_calendar_items() -> None:
    stamp = CalendarItem.get_field_by_fieldname("scheduler_stamp").value_cls
    assert (stamp.property_set_id, stamp.property_name, stamp.property_type) == (
        STAMP_GUID,
        STAMP_NAME,
        "String",
    )


def test_the_library_opens_no_connections_of_its_own(ews: EwsBackend, exchange: Simulator) -> None:
    ews.busy_times([ANNA], MORNING, soon())
    ref = ews.create(change(Verb.CREATE), soon())
    ews.update(change(Verb.UPDATE, ref=ref), soon())
    assert CachingProtocol._protocol_cache == {}
    assert exchange.round_trips() == 3


def test_ntlm_has_the_hooks_that_are_overridden() -> None:
    names = inspect.signature(requests_ntlm.HttpNtlmAuth.response_hook).parameters
    assert list(names) == ["self", "r", "kwargs"]
    assert list(inspect.signature(requests_ntlm.HttpNtlmAuth._get_server_cert).parameters) == [
        "self",
        "response",
    ]


@pytest.mark.parametrize("version", ["Exchange2016", "Exchange2013_SP1", "Exchange2010_SP2"])
def test_every_version_speaks_to_the_server(
    connect: Callable[[dict[str, Any]], EwsBackend],
    options: dict[str, Any],
    exchange: Simulator,
    version: str,
) -> None:
    ews = connect({**options, "version": version})
    ref = ews.create(change(Verb.CREATE), soon())
    assert ews.update(change(Verb.UPDATE, ref=ref), soon()) == ref
    assert ews.find(change(Verb.FIND), soon()) == [ref]
    ews.delete(change(Verb.DELETE, ref=ref), soon())
    assert ews.busy_times([ANNA], MORNING, soon()) == {ANNA: []}
    assert {f'Version="{version}"'.encode() in request.body for request in exchange.requests} == {True}
