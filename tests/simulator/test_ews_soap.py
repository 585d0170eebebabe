import threading

import pytest

from calendar_backends.simulator import Simulator
from calendar_backends.simulator.world import Mailbox
from tests.simulator.conftest import ANNA, NINE, TEN
from tests.simulator.ews_client import EwsClient, appointment
from tests.simulator.ews_schema import validate
from tests.simulator.test_ews_sign_in import PING


@pytest.fixture
def raw(reader: EwsClient) -> EwsClient:
    reader.checks_schema = False
    return reader


@pytest.mark.parametrize(
    "document", [b"", b"not xml", b"<s:Envelope", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
)
def test_what_is_not_plain_xml_gets_400_without_soap(raw: EwsClient, document: bytes) -> None:
    answer = raw.post(document)
    assert (answer.status, answer.body) == (400, b"")


@pytest.mark.parametrize(
    "document", [b"<a/>", b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"/>']
)
def test_xml_that_is_no_envelope_is_a_fault(raw: EwsClient, document: bytes) -> None:
    answer = raw.post(document)
    assert (answer.status, answer.codes) == (500, ["ErrorInvalidRequest"])


@pytest.mark.parametrize("body", ["", PING + PING])
def test_a_body_holds_one_operation(raw: EwsClient, body: str) -> None:
    assert raw.call(body).codes == ["ErrorInvalidRequest"]


def test_an_unknown_operation_is_a_fault(raw: EwsClient) -> None:
    assert raw.call("<m:ConvertId/>").codes == ["ErrorInvalidRequest"]


def test_a_missing_element_is_a_fault_that_says_where(raw: EwsClient) -> None:
    answer = raw.call('<m:CreateItem SendMeetingInvitations="SendToNone"/>')
    assert answer.codes == ["ErrorSchemaValidation"]
    assert answer.texts("t:Value/@Name") == ["LineNumber", "LinePosition", "Violation"]


def test_other_content_types_get_415(raw: EwsClient) -> None:
    assert raw.call(PING, **{"Content-Type": "application/soap+xml"}).status == 415


@pytest.mark.parametrize(
    ("version", "code"), [("Exchange2016", "NoError"), ("Exchange1999", "ErrorInvalidServerVersion")]
)
def test_the_schema_version_must_be_known(reader: EwsClient, version: str, code: str) -> None:
    assert reader.call(PING, f'<t:RequestServerVersion Version="{version}"/>').codes == [code]


def test_answers_carry_the_servers_version_and_faults_do_not(ews: EwsClient) -> None:
    assert ews.call(PING).texts("t:ServerVersionInfo/@MajorVersion") == ["15"]
    ews.acts_for = "nobody@contoso.example"
    assert ews.call(PING).texts("t:ServerVersionInfo/@MajorVersion") == []


def test_requests_are_remembered_with_their_headers(exchange: Simulator, ews: EwsClient) -> None:
    ews.call(PING, **{"X-AnchorMailbox": ANNA, "client-request-id": "abc"})
    [seen] = exchange.requests
    assert (seen.face, seen.operation, seen.mailbox, seen.status) == ("ews", "ews.GetFolder", ANNA, 200)
    assert (seen.headers["x-anchormailbox"], seen.headers["client-request-id"]) == (ANNA, "abc")
    assert b"GetFolder" in seen.body


def test_each_operation_is_counted(exchange: Simulator, ews: EwsClient, anna: Mailbox) -> None:
    ews.create(appointment("A", NINE, TEN))
    ews.availability([ANNA], NINE, TEN)
    assert exchange.counters == {"ews.CreateItem": 1, "ews.GetUserAvailability": 1}
    assert exchange.round_trips() == 2


def test_the_schema_check_itself_refuses_a_wrong_document() -> None:
    with pytest.raises(AssertionError, match="Colour"):
        validate(
            b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:CreateItem '
            b'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><m:Colour/>'
            b"</m:CreateItem></s:Body></s:Envelope>"
        )


def test_an_operation_waits_for_the_lock_of_its_mailbox(
    exchange: Simulator, ews: EwsClient, anna: Mailbox
) -> None:
    caller = threading.Thread(target=ews.call, args=(PING,))
    with anna.lock:
        caller.start()
        caller.join(0.1)
        assert exchange.counters["ews.GetFolder"] == 1
        assert caller.is_alive()
    caller.join()
    assert exchange.requests[0].status == 200
