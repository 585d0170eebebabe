"""Signing in: one token per Org, renewed ahead of its end, and what a refusal looks like."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from calendar_backends.base import CalendarError, Deadline, Verb
from calendar_backends.graph import GraphBackend
from calendar_backends.graph.tokens import Token, Tokens
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import App, Mailbox
from tests.calendar_backends.graph.conftest import ANNA, BEN, MORNING, change, connect, read, refused, soon


def tokens_of(graph: GraphBackend) -> Tokens:
    return graph._client.tokens


def token_of(graph: GraphBackend) -> Token:
    token = tokens_of(graph)._token
    assert token is not None
    return token


def age(graph: GraphBackend, *, ended: bool = False) -> str:
    """Make the token older than it is: due for renewal, or ended; its value."""
    token = token_of(graph)
    tokens_of(graph)._token = replace(token, renew_at=0, expires_at=0 if ended else token.expires_at)
    return token.value


def read_in_threads(graph: GraphBackend, count: int = 16) -> list[object]:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(read(graph))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def certificate(key: RSAPrivateKey | EllipticCurvePrivateKey | None = None) -> str:
    """A certificate and its private key in PEM."""
    key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scheduler")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    today = datetime.now(UTC)
    builder = builder.not_valid_before(today).not_valid_after(today + timedelta(days=1))
    signed = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (signed.public_bytes(Encoding.PEM) + private).decode()


def test_sixteen_threads_fetch_one_token(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("latency", operation="token", seconds=0.1))
    assert read_in_threads(graph) == [[]] * 16
    assert exchange.counters["token"] == 1


def test_sixteen_threads_whose_token_has_ended_fetch_one(graph: GraphBackend, exchange: Simulator) -> None:
    read(graph)
    exchange.tokens.clear()
    exchange.faults.add(Fault("latency", operation="token", seconds=0.1))
    age(graph, ended=True)
    assert read_in_threads(graph) == [[]] * 16
    assert exchange.counters["token"] == 2


def test_a_token_is_renewed_ahead_of_its_end(graph: GraphBackend, exchange: Simulator) -> None:
    read(graph)
    old = age(graph)
    read(graph)
    assert token_of(graph).value != old
    assert exchange.counters["token"] == 2


def test_a_token_is_kept_for_all_but_the_last_five_minutes(graph: GraphBackend) -> None:
    read(graph)
    token = token_of(graph)
    assert token.expires_at - token.renew_at == pytest.approx(300, abs=1)


def test_a_token_whose_lifetime_is_not_said_lasts_about_an_hour(
    graph: GraphBackend, exchange: Simulator
) -> None:
    exchange.faults.add(Fault("status", operation="token", code=200, body={"access_token": "x"}, times=1))
    graph._client.tokens.get(soon())
    assert token_of(graph).expires_at - time.monotonic() == pytest.approx(3599, abs=5)


def test_a_token_of_short_life_is_used_for_half_of_it(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.token_lifetime = 60
    assert [read(graph), read(graph)] == [[], []]
    assert exchange.counters["token"] == 1


def test_while_one_thread_renews_others_use_the_old_token(graph: GraphBackend, exchange: Simulator) -> None:
    read(graph)
    age(graph)
    exchange.faults.add(Fault("hang", operation="token", seconds=1.5))
    renewing = threading.Thread(target=read, args=(graph,))
    renewing.start()
    while exchange.counters["token"] != 2:
        assert renewing.is_alive()
    assert graph.busy_times([ANNA], MORNING, Deadline.after(1)) == {ANNA: []}
    assert renewing.is_alive()
    renewing.join()


def test_a_sign_in_that_is_down_does_not_matter_while_the_token_is_good(
    graph: GraphBackend, exchange: Simulator
) -> None:
    read(graph)
    age(graph)
    exchange.faults.add(Fault("status", operation="token", code=503))
    assert [read(graph), read(graph)] == [[], []]
    assert exchange.counters["token"] == 2


def test_a_token_that_graph_refuses_is_replaced_once(
    graph: GraphBackend, exchange: Simulator, anna: Mailbox
) -> None:
    read(graph)
    exchange.tokens.clear()
    graph.create(change(Verb.CREATE), soon())
    assert (exchange.counters["token"], exchange.counters["graph.POST events"]) == (2, 2)
    assert len(anna.calendar_items()) == 1


def test_where_graph_refuses_the_new_token_as_well_access_is_denied(
    graph: GraphBackend, exchange: Simulator
) -> None:
    exchange.faults.add(Fault("token_expired"))
    assert refused(graph, ANNA, BEN).code == "ErrorAccessDenied"
    assert (exchange.counters["token"], exchange.counters["graph.getSchedule"]) == (2, 2)


def test_threads_that_are_refused_together_fetch_one_token(graph: GraphBackend, exchange: Simulator) -> None:
    read(graph)
    exchange.tokens.clear()
    assert read_in_threads(graph, 4) == [[]] * 4
    assert exchange.counters["token"] == 2


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"client_secret": "wrong"}, "AADSTS7000215"),
        ({"client_id": "other"}, "AADSTS700016"),
        ({"tenant_id": "elsewhere.example"}, "AADSTS90002"),
    ],
)
def test_a_sign_in_that_is_refused_is_access_denied_and_says_the_number(
    options: dict[str, Any], exchange: Simulator, changes: dict[str, str], number: str
) -> None:
    graph = connect({**options, **changes})
    error = refused(graph)
    graph.close()
    assert (error.code, exchange.round_trips()) == ("ErrorAccessDenied", 0)
    assert error.detail == f"sign-in refused: {number}"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("status", operation="token", code=503), "ErrorServerBusy"),
        (Fault("status", operation="token", code=429), "ErrorServerBusy"),
        (Fault("html", operation="token"), "ErrorInternalServerTransientError"),
        (Fault("not_json", operation="token"), "ErrorInternalServerTransientError"),
        (Fault("status", operation="token", code=200, body=[1]), "ErrorInternalServerTransientError"),
        (
            Fault("status", operation="token", code=200, body={"token": 1}),
            "ErrorInternalServerTransientError",
        ),
        (Fault("drop", operation="token"), "ErrorConnectionFailed"),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_a_sign_in_without_a_usable_answer_says_so_and_leaves_nothing_uncertain(
    graph: GraphBackend, exchange: Simulator, fault: Fault, code: str
) -> None:
    exchange.faults.add(fault)
    with pytest.raises(CalendarError) as caught:
        graph.create(change(Verb.CREATE), soon())
    assert (caught.value.code, caught.value.uncertain) == (code, False)


def test_sign_in_works_again_as_soon_as_it_is_back(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("status", operation="token", code=503, times=1))
    assert refused(graph).code == "ErrorServerBusy"
    assert read(graph) == []


def test_half_a_token_is_not_logged(
    graph: GraphBackend, exchange: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "msal")
    exchange.faults.add(Fault("status", operation="token", code=200, body='{"access_token": "eyJhalf'))
    refused(graph)
    assert "eyJhalf" not in caplog.text


def test_waiting_for_another_threads_sign_in_ends_at_the_deadline(graph: GraphBackend) -> None:
    deadline = Deadline.after(0.05)
    with tokens_of(graph)._asking, pytest.raises(CalendarError, match="ErrorTimeoutExpired"):
        tokens_of(graph).get(deadline)
    assert time.monotonic() - deadline.at < 1


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_sign_in_that_hangs_ends_at_the_deadline_for_all_who_wait(
    graph: GraphBackend, exchange: Simulator, kind: str
) -> None:
    exchange.faults.add(Fault(kind, operation="token"))
    found: list[CalendarError] = []
    ask = lambda: found.append(refused(graph, deadline=Deadline.after(0.4)))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(1.5)
    assert [error.code for error in found] == ["ErrorTimeoutExpired"] * 3


def test_a_certificate_signs_in(options: dict[str, Any], app: App) -> None:
    app.certificate_accepted = True
    graph = connect({**options, "client_secret": "", "certificate": certificate()})
    assert read(graph) == []
    graph.close()


def test_a_certificate_that_is_not_registered_is_refused(options: dict[str, Any]) -> None:
    graph = connect({**options, "client_secret": "", "certificate": certificate()})
    error = refused(graph)
    graph.close()
    assert error.detail.endswith("AADSTS700027")
