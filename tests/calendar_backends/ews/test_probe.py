"""The probe: what works, and what to do where it does not."""

from collections.abc import Callable
from typing import Any

import pytest

from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Tenant

from .conftest import ANNA, NOBODY, SERVICE, soon

CHECKS = ["sign-in", "free/busy", "write access"]


def probe(ews: EwsBackend, mailbox: str = ANNA) -> list[tuple[str, str]]:
    """Code and advice of each check."""
    results = ews.probe(mailbox, soon())
    assert [result.check for result in results] == CHECKS
    return [(result.code, result.advice) for result in results]


def test_all_works_and_nothing_is_changed(ews: EwsBackend, exchange: Simulator, tenant: Tenant) -> None:
    assert probe(ews) == [("NoError", "")] * 3
    assert not any(mailbox.items for mailbox in tenant.mailboxes.values())
    assert set(exchange.counters) == {"ews.GetUserAvailability", "ews.FindItem"}


def test_a_wrong_password_stops_the_probe(ews: EwsBackend, exchange: Simulator, tenant: Tenant) -> None:
    tenant.accounts[SERVICE].password = "another"
    (_, advice), *others = probe(ews)
    assert "user name and password" in advice
    assert {code for code, _ in others} == {"ErrorAccessDenied"}
    assert exchange.round_trips() == 1


def test_ews_switched_off_points_to_graph(ews: EwsBackend, tenant: Tenant) -> None:
    tenant.ews_enabled = False
    code, advice = probe(ews)[0]
    assert code == "ErrorAccessDenied"
    assert "Microsoft Graph" in advice


def test_an_expired_password_is_a_matter_of_signing_in(ews: EwsBackend, tenant: Tenant) -> None:
    tenant.accounts[SERVICE].expired_password = True
    code, advice = probe(ews)[0]
    assert (code, "expired" in advice) == ("ErrorPasswordExpired", True)


def test_an_account_without_a_mailbox_can_write_but_not_read(ews: EwsBackend, tenant: Tenant) -> None:
    tenant.accounts[SERVICE].mailbox = None
    sign_in, (code, advice), write_access = probe(ews)
    assert code == "ErrorMissingEmailAddress"
    assert "mailbox" in advice
    assert sign_in == write_access == ("NoError", "")


def test_a_missing_right_to_impersonate_is_named(ews: EwsBackend, tenant: Tenant) -> None:
    tenant.accounts[SERVICE].may_impersonate = False
    sign_in, free_busy, (code, advice) = probe(ews)
    assert sign_in == free_busy == ("NoError", "")
    assert code == "ErrorImpersonateUserDenied"
    assert "ApplicationImpersonation" in advice


def test_a_mailbox_that_does_not_exist_is_named(ews: EwsBackend) -> None:
    sign_in, (free_busy, _), (write_access, advice) = probe(ews, NOBODY)
    assert sign_in == ("NoError", "")
    assert (free_busy, write_access) == ("ErrorMailRecipientNotFound", "ErrorNonExistentMailbox")
    assert "primary address" in advice


@pytest.mark.parametrize("fault", [Fault("status", code=404), Fault("html")])
def test_an_endpoint_that_is_not_ews_is_named(ews: EwsBackend, exchange: Simulator, fault: Fault) -> None:
    exchange.faults.add(fault)
    assert "not EWS" in probe(ews)[0][1]


def test_a_server_that_is_not_there_is_named(
    connect: Callable[[dict[str, Any]], EwsBackend], options: dict[str, Any], exchange: Simulator
) -> None:
    exchange.stop()
    code, advice = probe(connect(options))[0]
    assert code == "ErrorConnectionFailed"
    assert "firewall" in advice


def test_an_unheard_of_code_is_not_left_without_advice(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("soap_fault", operation="ews.FindItem", code="ErrorInventedLastWeek"))
    assert "ErrorInventedLastWeek" in probe(ews)[2][1]
