import http.client
import json
from typing import Any

import pytest

from calendar_backends.simulator import Simulator
from calendar_backends.simulator.world import Mailbox
from tests.simulator.conftest import ANNA, BEN, NINE, TEN
from tests.simulator.ews_client import EwsClient
from tests.simulator.test_ews_sign_in import PING


def _ask(exchange: Simulator, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port)
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, f"/simulator/{path}", text if body is not None else None)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_it_says_what_it_is(exchange: Simulator) -> None:
    status, about = _ask(exchange, "GET", "")
    assert status == 200
    assert "no real Exchange" in about["what"]
    assert about["ews"] == exchange.ews_url


def test_counters_are_shown_and_reset(exchange: Simulator, ews: EwsClient) -> None:
    ews.call(PING)
    _, shown = _ask(exchange, "GET", "counters")
    assert shown == {"counters": {"ews.GetFolder": 1}, "round_trips": 1, "peak": {"ews": 1}}
    assert _ask(exchange, "POST", "reset")[0] == 200
    assert _ask(exchange, "GET", "counters")[1]["counters"] == {}


def test_faults_are_switched_on_and_off(exchange: Simulator, ews: EwsClient) -> None:
    fault = {"kind": "response_code", "operation": "ews.*", "code": "ErrorQuotaExceeded"}
    _, added = _ask(exchange, "POST", "faults", fault)
    assert ews.call(PING).codes == ["ErrorQuotaExceeded"]
    assert _ask(exchange, "GET", "faults")[1]["faults"][str(added["id"])]["code"] == "ErrorQuotaExceeded"
    assert _ask(exchange, "DELETE", f"faults/{added['id']}")[0] == 200
    assert ews.call(PING).codes == ["NoError"]


def test_all_faults_are_switched_off_at_once(exchange: Simulator) -> None:
    _ask(exchange, "POST", "faults", {"kind": "drop"})
    assert _ask(exchange, "DELETE", "faults")[1] == {"faults": {}}
    assert exchange.faults.all() == {}


def test_a_mailbox_is_shown_with_everything_in_it(exchange: Simulator, anna: Mailbox) -> None:
    anna.delete(anna.add_item("A", NINE, TEN, properties={("guid", "Name"): "v"}))
    assert {"address": ANNA, "name": "", "state": "ok"} in _ask(exchange, "GET", "mailboxes")[1]["mailboxes"]
    [item] = _ask(exchange, "GET", f"mailboxes/{ANNA}")[1]["items"]
    assert (item["subject"], item["folder"]) == ("A", "deleteditems")
    assert item["properties"] == [{"guid": "guid", "name": "Name", "value": "v"}]


def test_an_item_is_added(exchange: Simulator, anna: Mailbox) -> None:
    item = {"subject": "A", "start": NINE.isoformat(), "end": TEN.isoformat(), "show_as": "oof"}
    status, added = _ask(exchange, "POST", f"mailboxes/{ANNA}/items", item)
    assert status == 200
    assert anna.find(added["id"]) is anna.items[0]
    assert anna.items[0].show_as == "oof"


def test_invitations_are_shown(exchange: Simulator, anna: Mailbox) -> None:
    anna.record_invitation(anna.add_item("A", NINE, TEN, attendees=[BEN]), "CreateItem")
    [sent] = _ask(exchange, "GET", "invitations")[1]["invitations"]
    assert (sent["mailbox"], sent["attendees"]) == (ANNA, [BEN])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "nowhere", None, 404, "There is nothing at /simulator/nowhere"),
        ("POST", "counters", None, 405, "takes GET only"),
        ("GET", "mailboxes/nobody@x.example", None, 404, "There is no mailbox nobody@x.example."),
        ("POST", "faults", {"kind": "gremlins"}, 400, "no fault of kind 'gremlins'"),
        ("POST", "faults", {}, 400, "That is no fault"),
        ("POST", "faults", [], 400, "must be a JSON object"),
        ("POST", "faults", b"{", 400, "not JSON"),
        ("DELETE", "faults/99", None, 404, "no fault of the number 99"),
        ("POST", f"mailboxes/{ANNA}/items", {"subject": "A"}, 400, "That is no item"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(
    exchange: Simulator, method: str, path: str, body: Any, status: int, says: str
) -> None:
    answered, answer = _ask(exchange, method, path, body)
    assert answered == status
    assert says in answer["error"]
