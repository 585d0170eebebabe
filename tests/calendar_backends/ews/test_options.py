"""The options form: what is accepted, and what an admin is told."""

import json
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from calendar_backends.base import SecretField
from calendar_backends.ews import EwsBackend

from .ntlm_server import self_signed

GIVEN = {
    "endpoint": "https://mail.contoso.example/EWS/Exchange.asmx",
    "auth_type": "ntlm",
    "username": "CONTOSO\\service",
    "password": " secret ",
}


def errors(**changed: str) -> dict[str, Any]:
    return EwsBackend.Options({**GIVEN, **changed}).errors


def test_the_least_that_is_enough_is_kept_as_json() -> None:
    form = EwsBackend.Options(GIVEN)
    assert form.is_valid(), form.errors
    expected = {**GIVEN, "version": "Exchange2016", "longest_window": "42", "ca_bundle": ""}
    assert json.loads(json.dumps(form.cleaned_data)) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", ""),
        ("endpoint", "http://mail.contoso.example/EWS/Exchange.asmx"),
        ("endpoint", "https://mail.contoso.example"),
        ("endpoint", "https://outlook.office365.com/EWS/Exchange.asmx"),
        ("auth_type", "digest"),
        ("auth_type", ""),
        ("username", ""),
        ("username", "a:b"),
        ("password", ""),
        ("version", "Exchange2031"),
        ("longest_window", "0"),
        ("longest_window", "63"),
        ("longest_window", "forty"),
        ("ca_bundle", "not a certificate"),
        ("ca_bundle", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ("ca_bundle", "Zertifikat für uns"),
    ],
)
def test_a_bad_value_is_the_error_of_its_field(field: str, value: str) -> None:
    assert list(errors(**{field: value})) == [field]


def test_this_machine_needs_no_tls() -> None:
    assert not errors(endpoint="http://127.0.0.1:8081/EWS/Exchange.asmx")


@pytest.mark.parametrize(("given", "days"), [("", 42), ("7", 7), ("62", 62)])
def test_the_longest_window_of_a_request_can_be_chosen(given: str, days: int) -> None:
    form = EwsBackend.Options({**GIVEN, "longest_window": given})
    assert form.is_valid(), form.errors
    backend = EwsBackend(form.cleaned_data)
    assert backend.longest_window == timedelta(days=days)
    backend.close()


def test_options_that_were_stored_before_there_was_a_choice_mean_42_days() -> None:
    backend = EwsBackend(GIVEN)
    assert backend.longest_window == timedelta(days=42)
    backend.close()


def test_a_ca_of_ones_own_is_accepted(tmp_path: Path) -> None:
    assert not errors(ca_bundle=ssl.DER_cert_to_PEM_cert(self_signed(tmp_path)[1]))


def test_every_field_explains_itself_and_the_password_stays_hidden() -> None:
    fields = EwsBackend.Options().fields
    assert all(field.help_text for field in fields.values())
    assert isinstance(fields["password"], SecretField)
