"""The options form: what is accepted, and what an admin is told."""

import json
import ssl
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
    expected = {**GIVEN, "version": "Exchange2016", "ca_bundle": ""}
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
        ("ca_bundle", "not a certificate"),
        ("ca_bundle", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ("ca_bundle", "Zertifikat für uns"),
    ],
)
def test_a_bad_value_is_the_error_of_its_field(field: str, value: str) -> None:
    assert list(errors(**{field: value})) == [field]


def test_this_machine_needs_no_tls() -> None:
    assert not errors(endpoint="http://127.0.0.1:8081/EWS/Exchange.asmx")


def test_a_ca_of_ones_own_is_accepted(tmp_path: Path) -> None:
    assert not errors(ca_bundle=ssl.DER_cert_to_PEM_cert(self_signed(tmp_path)[1]))


def test_every_field_explains_itself_and_the_password_stays_hidden() -> None:
    fields = EwsBackend.Options().fields
    assert all(field.help_text for field in fields.values())
    assert isinstance(fields["password"], SecretField)
