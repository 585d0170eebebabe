from calendar_backends.simulator import Simulator
from tests.simulator.conftest import SERVICE
from tests.simulator.ews_client import Answer, EwsClient


def zones(client: EwsClient, *ids: str, full: bool = True) -> Answer:
    wanted = "".join(f"<t:Id>{zone}</t:Id>" for zone in ids)
    return client.call(
        f'<m:GetServerTimeZones ReturnFullTimeZoneData="{str(full).lower()}">'
        f"<m:Ids>{wanted}</m:Ids></m:GetServerTimeZones>"
    )


def test_utc_is_defined_with_its_one_period(reader: EwsClient) -> None:
    answer = zones(reader, "UTC")
    assert answer.codes == ["NoError"]
    assert answer.texts("t:TimeZoneDefinition/@Id") == ["UTC"]
    assert answer.texts("t:Period/@Bias") == ["P0D"]


def test_the_rules_of_a_zone_are_left_out_on_request(reader: EwsClient) -> None:
    answer = zones(reader, "UTC", full=False)
    assert answer.texts("t:TimeZoneDefinition/@Id") == ["UTC"]
    assert answer.texts("t:Period/@Bias") == []


def test_another_zone_is_an_error_and_not_utc(reader: EwsClient) -> None:
    assert zones(reader, "W. Europe Standard Time").codes == ["ErrorTimeZone"]


def test_a_wrong_password_is_told_no_zone(exchange: Simulator) -> None:
    assert zones(EwsClient(exchange.ews_url, SERVICE, "wrong"), "UTC").status == 401
