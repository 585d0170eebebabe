import pytest

from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox
from tests.simulator.conftest import ANNA, BEN, NINE, TEN
from tests.simulator.ews_client import EwsClient, appointment


@pytest.fixture(autouse=True)
def _busy(anna: Mailbox) -> None:
    anna.add_item("Item", NINE, TEN)


def _created(ews: EwsClient) -> list[str]:
    return ews.create(appointment("A", NINE, TEN)).codes


def test_response_code_fails_the_item_and_writes_nothing(
    exchange: Simulator, ews: EwsClient, anna: Mailbox
) -> None:
    exchange.faults.add(Fault("response_code", code="ErrorQuotaExceeded", mailbox=ANNA))
    assert _created(ews) == ["ErrorQuotaExceeded"]
    assert ews.find("event-1").codes == ["ErrorQuotaExceeded"]
    assert ews.get(anna.items[0].id).codes == ["ErrorQuotaExceeded"]
    assert len(anna.items) == 1


def test_soap_fault_can_carry_a_back_off(exchange: Simulator, ews: EwsClient, anna: Mailbox) -> None:
    exchange.faults.add(Fault("soap_fault", code="ErrorServerBusy", message="Busy.", back_off_ms=1500))
    answer = ews.create(appointment("A", NINE, TEN))
    assert (answer.status, answer.codes) == (500, ["ErrorServerBusy"])
    assert answer.texts("t:Value[@Name='BackOffMilliseconds']") == ["1500"]
    assert answer.texts("e:Message") == ["Busy."]
    assert len(anna.items) == 1


def test_inner_busy_hides_the_throttling_inside_another_error(exchange: Simulator, ews: EwsClient) -> None:
    exchange.faults.add(Fault("inner_busy", back_off_ms=1500))
    answer = ews.create(appointment("A", NINE, TEN))
    assert (answer.status, answer.codes) == (200, ["ErrorInternalServerError"])
    assert answer.texts("t:Value[@Name='InnerErrorResponseCode']") == ["ErrorServerBusy"]


def test_a_fault_has_a_number_in_place_of_a_response_code(exchange: Simulator, reader: EwsClient) -> None:
    exchange.faults.add(Fault("a_fault", code="ErrorProxyRequestProcessingFailed", number=5012))
    answer = reader.availability([ANNA], NINE, TEN)
    assert (answer.status, answer.codes) == (500, [])
    assert answer.texts("faultcode") == ["a:ErrorProxyRequestProcessingFailed"]
    assert answer.texts("e:ErrorCode") == ["5012"]


def test_version_fault_carries_the_servers_version(exchange: Simulator, ews: EwsClient) -> None:
    exchange.faults.add(Fault("version_fault", code="ErrorIncorrectSchemaVersion"))
    answer = ews.create(appointment("A", NINE, TEN))
    assert answer.codes == ["ErrorIncorrectSchemaVersion"]
    assert answer.texts("t:ServerVersionInfo/@Version") == ["V2017_07_11"]


def test_cas_error_is_a_header_without_soap(exchange: Simulator, ews: EwsClient) -> None:
    exchange.faults.add(Fault("cas_error", code="UserNotFound"))
    answer = ews.create(appointment("A", NINE, TEN))
    assert (answer.status, answer.body, answer.headers["X-CasErrorCode"]) == (500, b"", "UserNotFound")


def test_ews_can_be_disabled(exchange: Simulator, ews: EwsClient) -> None:
    exchange.faults.add(Fault("ews_disabled"))
    answer = ews.create(appointment("A", NINE, TEN))
    assert (answer.status, answer.xml) == (403, None)


def test_entry_missing_leaves_one_mailbox_out(exchange: Simulator, reader: EwsClient) -> None:
    exchange.faults.add(Fault("entry_missing", mailbox=BEN))
    assert len(reader.availability([BEN, ANNA, BEN], NINE, TEN).codes) == 1


@pytest.mark.parametrize(("kind", "view"), [("view_none", "None"), ("merged_only", "MergedOnly")])
def test_a_view_can_be_less_than_asked(exchange: Simulator, reader: EwsClient, kind: str, view: str) -> None:
    exchange.faults.add(Fault(kind, mailbox=ANNA))
    answer = reader.availability([ANNA], NINE, TEN)
    assert (answer.codes, answer.texts("t:FreeBusyViewType")) == (["NoError"], [view])
    assert answer.texts("t:CalendarEvent") == []
    assert len(answer.texts("t:MergedFreeBusy")) == (view == "MergedOnly")


def test_no_data_covers_the_whole_window(exchange: Simulator, reader: EwsClient) -> None:
    exchange.faults.add(Fault("no_data", mailbox=ANNA))
    answer = reader.availability([ANNA], NINE, TEN)
    assert answer.texts("t:BusyType") == ["NoData"]
    assert answer.texts("t:StartTime") == ["2026-12-01T09:00:00"]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("naive", "2026-12-01T09:00:00"),
        ("z", "2026-12-01T09:00:00Z"),
        ("offset", "2026-12-01T11:00:00+02:00"),
        ("fraction", "2026-12-01T09:00:00.000Z"),
    ],
)
def test_times_come_in_every_style(exchange: Simulator, reader: EwsClient, style: str, text: str) -> None:
    exchange.faults.add(Fault("time_format", format=style))
    assert reader.availability([ANNA], NINE, TEN).texts("t:StartTime") == [text]


@pytest.mark.parametrize(
    "fault", [Fault("time_format", format="garbage"), Fault("unknown_status", value="Asleep")]
)
def test_an_answer_can_break_the_schema(exchange: Simulator, reader: EwsClient, fault: Fault) -> None:
    exchange.faults.add(fault)
    with pytest.raises(AssertionError, match=r"tomorrow-ish|Asleep"):
        reader.availability([ANNA], NINE, TEN)


def test_availability_code_fails_one_mailbox(exchange: Simulator, reader: EwsClient) -> None:
    exchange.faults.add(Fault("availability_code", code="ErrorFreeBusyGenerationFailed", mailbox=ANNA))
    answer = reader.availability([ANNA, BEN], NINE, TEN)
    assert answer.codes == ["ErrorFreeBusyGenerationFailed", "NoError"]
