"""NTLM: a handshake per connection, bound to the server's certificate."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calendar_backends.base import CalendarError, Verb
from calendar_backends.ews import EwsBackend

from .conftest import change, soon
from .ntlm_server import NtlmServer, self_signed, serve

Connect = Callable[[dict[str, Any]], EwsBackend]


@pytest.fixture(autouse=True)
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom the server knows."""
    known = tmp_path / "accounts"
    known.write_text("CONTOSO:service:secret\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(known))


@pytest.fixture
def server() -> Iterator[NtlmServer]:
    with serve() as running:
        yield running


def options(server: NtlmServer, **changed: str) -> dict[str, Any]:
    account = {"username": "CONTOSO\\service", "password": "secret"}
    return {"endpoint": server.url, "auth_type": "ntlm", **account, **changed}


def refusal(ews: EwsBackend) -> CalendarError:
    with pytest.raises(CalendarError) as caught:
        ews.find(change(Verb.FIND), soon())
    return caught.value


def test_a_connection_signs_in_once(server: NtlmServer, connect: Connect) -> None:
    ews = connect(options(server))
    for _ in range(3):
        assert ews.find(change(Verb.FIND), soon()) == []
    assert server.statuses == [401, 401, 200, 200, 200]


def test_calls_side_by_side_have_a_connection_each(server: NtlmServer, connect: Connect) -> None:
    changes = [change(Verb.FIND, f"p{number}@contoso.example") for number in range(30)]
    outcome = connect(options(server)).write(changes, soon(20))
    assert list(outcome.values()) == [[]] * 30
    assert server.statuses.count(401) <= 2 * EwsBackend.writes_at_once


def test_a_wrong_password_is_access_denied(server: NtlmServer, connect: Connect) -> None:
    error = refusal(connect(options(server, password="guessed")))
    assert (error.code, error.uncertain) == ("ErrorAccessDenied", False)
    assert "password" in error.detail


@pytest.mark.parametrize("challenge", ["NTLM", "NTLM !", "NTLM bm9uc2Vuc2U=", 'Basic realm="x"'])
def test_a_server_without_a_proper_challenge_is_access_denied(
    server: NtlmServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, challenge: str
) -> None:
    server.challenge = challenge
    monkeypatch.setattr(server.RequestHandlerClass, "_step", lambda self, token: challenge)
    assert refusal(connect(options(server))).code == "ErrorAccessDenied"


def test_the_sign_in_is_bound_to_the_certificate(tmp_path: Path, connect: Connect) -> None:
    certificate = self_signed(tmp_path)
    with serve(certificate) as server:
        ca_bundle = ssl.DER_cert_to_PEM_cert(certificate[1])
        ews = connect(options(server, ca_bundle=ca_bundle))
        assert ews.find(change(Verb.FIND), soon()) == []
        assert server.statuses == [401, 401, 200]


def test_a_certificate_of_an_unknown_ca_is_refused(tmp_path: Path, connect: Connect) -> None:
    with serve(self_signed(tmp_path)) as server:
        error = refusal(connect(options(server)))
        assert (error.code, error.uncertain) == ("ErrorConnectionFailed", False)
        assert server.statuses == []
