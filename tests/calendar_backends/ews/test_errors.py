"""Every way in which Exchange says no, as a response code; and what may have happened all the same."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from calendar_backends.base import CalendarError, Verb
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox, Tenant

from .conftest import ANNA, SERVICE, change, refused, soon

FAULT = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>
<faultcode>{}</faultcode><faultstring>{}</faultstring></s:Fault></s:Body></s:Envelope>"""

NO_ITEM = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Body><m:CreateItemResponse>
 <m:ResponseMessages><m:CreateItemResponseMessage ResponseClass="Success">
 <m:ResponseCode>NoError</m:ResponseCode><m:Items/></m:CreateItemResponseMessage></m:ResponseMessages>
 </m:CreateItemResponse></s:Body></s:Envelope>"""


def refusal(ews: EwsBackend, seconds: float = 5.0) -> CalendarError:
    with pytest.raises(CalendarError) as caught:
        ews.create(change(Verb.CREATE), soon(seconds))
    return caught.value


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("response_code", code="ErrorQuotaExceeded"), "ErrorQuotaExceeded"),
        (Fault("soap_fault", code="ErrorImpersonateUserDenied"), "ErrorImpersonateUserDenied"),
        (Fault("soap_fault", code="ErrorInventedLastWeek"), "ErrorInventedLastWeek"),
        (Fault("a_fault", code="ErrorTimeIntervalTooBig"), "ErrorTimeIntervalTooBig"),
        (Fault("version_fault"), "ErrorInvalidServerVersion"),
        (Fault("version_fault", code="ErrorInvalidRequest"), "ErrorInvalidRequest"),
        (
            Fault("status", code=500, body=FAULT.format("s:Server", "It is ErrorADUnavailable.")),
            "ErrorADUnavailable",
        ),
        (Fault("status", code=500, body=FAULT.format("a:ErrorTimeZone", "It is.")), "ErrorTimeZone"),
        (Fault("ews_disabled"), "ErrorAccessDenied"),
        (Fault("status", code=401), "ErrorAccessDenied"),
        (Fault("status", code=302, headers={"Location": "/owa"}), "ErrorConnectionFailed"),
        (Fault("status", code=404), "ErrorConnectionFailed"),
        (Fault("status", code=429), "ErrorServerBusy"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else value,
)
def test_a_refusal_is_certain_and_costs_one_request(
    ews: EwsBackend, exchange: Simulator, anna: Mailbox, fault: Fault, code: str
) -> None:
    exchange.faults.add(fault)
    error = refusal(ews)
    assert (error.code, error.uncertain) == (code, False)
    assert exchange.round_trips() == 1
    assert anna.items == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("commit_then_drop"), "ErrorConnectionFailed"),
        (Fault("drop"), "ErrorConnectionFailed"),
        (Fault("truncate", bytes=40), "ErrorConnectionFailed"),
        (Fault("html"), "ErrorConnectionFailed"),
        (Fault("not_json"), "ErrorConnectionFailed"),
        (Fault("status", code=200, body="<s:Envelope xmlns:s='x'><s:Bo"), "ErrorConnectionFailed"),
        (Fault("status", code=502, body="<html>Bad Gateway</html>"), "ErrorInternalServerTransientError"),
        (Fault("status", code=503), "ErrorServerBusy"),
        (Fault("cas_error", code="ErrorMailboxFailover"), "ErrorMailboxFailover"),
        (Fault("cas_error"), "ErrorInternalServerTransientError"),
        (Fault("soap_fault", code="ErrorTimeoutExpired"), "ErrorTimeoutExpired"),
        (Fault("response_code", code="ErrorInternalServerError"), "ErrorInternalServerError"),
        (Fault("status", code=500, body=FAULT.format("s:Server", "?")), "ErrorInternalServerError"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else value,
)
def test_a_write_without_a_proper_answer_is_uncertain(
    ews: EwsBackend, exchange: Simulator, fault: Fault, code: str
) -> None:
    exchange.faults.add(fault)
    error = refusal(ews)
    assert (error.code, error.uncertain) == (code, True)
    assert exchange.round_trips() == 1


@pytest.mark.parametrize(
    "fault",
    [Fault("hang", seconds=30), Fault("commit_then_hang", seconds=30), Fault("drip", seconds=0.05)],
    ids=lambda fault: fault.kind,
)
def test_a_write_that_gets_no_answer_in_time_is_uncertain(
    ews: EwsBackend, exchange: Simulator, fault: Fault
) -> None:
    exchange.faults.add(fault)
    began = datetime.now(UTC)
    error = refusal(ews, seconds=0.5)
    assert (error.code, error.uncertain) == ("ErrorTimeoutExpired", True)
    assert datetime.now(UTC) - began < timedelta(seconds=2)


@pytest.mark.parametrize("body", [FAULT.replace("s:Fault", "CreateItemResponse"), NO_ITEM])
def test_an_answer_without_the_new_item_is_uncertain(ews: EwsBackend, exchange: Simulator, body: str) -> None:
    exchange.faults.add(Fault("status", code=200, body=body))
    error = refusal(ews)
    assert (error.code, error.uncertain) == ("ErrorInternalServerError", True)


def test_a_server_that_is_not_there_is_certain(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.stop()
    error = refusal(ews)
    assert (error.code, error.uncertain) == ("ErrorConnectionFailed", False)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault("soap_fault", code="ErrorServerBusy", back_off_ms=2500), 2.5),
        (Fault("soap_fault", code="ErrorServerBusy"), None),
        (Fault("inner_busy", back_off_ms=4000), 4.0),
        (Fault("status", code=503, headers={"Retry-After": "7"}), 7.0),
        (Fault("status", code=503, headers={"Retry-After": "soon"}), None),
        (Fault("status", code=503), None),
    ],
)
def test_a_busy_server_says_how_long_to_wait(
    ews: EwsBackend, exchange: Simulator, fault: Fault, seconds: float | None
) -> None:
    exchange.faults.add(fault)
    error = refusal(ews)
    assert (error.code, error.retry_after) == ("ErrorServerBusy", seconds)


def test_a_date_says_how_long_to_wait(ews: EwsBackend, exchange: Simulator) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    exchange.faults.add(Fault("status", code=503, headers={"Retry-After": date}))
    assert refusal(ews).retry_after == pytest.approx(60, abs=5)


def test_a_wrong_password_is_told_from_ews_switched_off(
    ews: EwsBackend, exchange: Simulator, tenant: Tenant
) -> None:
    tenant.ews_enabled = False
    switched_off = refusal(ews)
    tenant.accounts[SERVICE].password = "another"
    wrong_password = refusal(ews)
    assert "HTTP 403" in switched_off.detail
    assert "password" in wrong_password.detail
    assert exchange.round_trips() == 2


def test_the_words_of_exchange_stay_out_of_the_error(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("soap_fault", code="ErrorSchemaValidation", message=f"bad subject of {ANNA}"))
    assert str(refusal(ews)) == "ErrorSchemaValidation"


def test_a_read_reports_the_same_errors(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("html"))
    error = refused(ews)
    assert (error.code, error.uncertain) == ("ErrorConnectionFailed", True)
    assert exchange.round_trips() == 1
