"""The form that an admin fills in."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from calendar_backends.base import SecretField
from calendar_backends.graph import GraphBackend
from tests.calendar_backends.graph.test_tokens import certificate

PEM = certificate()
GIVEN = {"tenant_id": "contoso.example", "client_id": "app", "client_secret": "secret"}


def errors_of(**changes: Any) -> dict[str, Any]:
    return dict(GraphBackend.Options({**GIVEN, **changes}).errors)


def cleaned(**changes: Any) -> dict[str, Any]:
    form = GraphBackend.Options({**GIVEN, **changes})
    assert form.is_valid(), form.errors
    return form.cleaned_data


def private_key(key: Any, password: bytes | None = None) -> str:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode())


def certificate_block(pem: str) -> str:
    return pem[: pem.index("-----BEGIN PRIVATE")]


def test_the_urls_of_the_worldwide_cloud_are_the_default() -> None:
    options = cleaned()
    assert options["graph_url"] == "https://graph.microsoft.com"
    assert options["authority_url"] == "https://login.microsoftonline.com"


@pytest.mark.parametrize("field", ["graph_url", "authority_url"])
def test_a_url_is_kept_as_a_bare_root(field: str) -> None:
    assert cleaned(**{field: "https://Graph.Example:8443/"})[field] == "https://graph.example:8443"


@pytest.mark.parametrize("field", ["graph_url", "authority_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://graph.example",
        "graph.example",
        "https://graph.example/v1.0",
        "https://graph.example?x=1",
        "https://graph.example#x",
        "https://user:pw@graph.example",
        "ftp://127.0.0.1",
    ],
)
def test_a_url_that_is_no_bare_root_or_not_tls_is_refused(field: str, url: str) -> None:
    assert errors_of(**{field: url}).keys() == {field}


def test_http_is_accepted_for_this_machine() -> None:
    assert cleaned(graph_url="http://127.0.0.1:8081")["graph_url"] == "http://127.0.0.1:8081"


def test_a_secret_or_a_certificate_is_needed() -> None:
    assert errors_of(client_secret="").keys() == {"client_secret"}


def test_a_secret_and_a_certificate_are_one_too_many() -> None:
    assert errors_of(certificate=PEM).keys() == {"certificate"}


def test_a_certificate_stands_in_for_a_secret() -> None:
    assert cleaned(client_secret="", certificate=PEM)["certificate"] == PEM.strip()


@pytest.mark.parametrize(
    "pem",
    [
        "no pem",
        certificate_block(PEM),
        PEM.removeprefix(certificate_block(PEM)),
        PEM.replace("MII", "MIX"),
        certificate_block(PEM) + private_key(rsa.generate_private_key(65537, 2048)),
        certificate(ec.generate_private_key(ec.SECP256R1())),
        certificate_block(PEM) + private_key(rsa.generate_private_key(65537, 2048), b"password"),
    ],
    ids=["no pem", "no key", "no certificate", "broken", "another key", "no RSA key", "encrypted"],
)
def test_a_certificate_that_cannot_sign_in_is_refused(pem: str) -> None:
    assert errors_of(client_secret="", certificate=pem).keys() == {"certificate"}


@pytest.mark.parametrize("tenant", ["common", "Organizations", "consumers", "a/b", "contoso example", "../x"])
def test_a_tenant_that_is_none_is_refused(tenant: str) -> None:
    assert errors_of(tenant_id=tenant).keys() == {"tenant_id"}


@pytest.mark.parametrize("mailbox", ["no address", "@", "anna"])
def test_an_anchor_that_is_no_address_is_refused(mailbox: str) -> None:
    assert errors_of(anchor_mailbox=mailbox).keys() == {"anchor_mailbox"}


def test_a_ca_bundle_is_loaded_before_it_is_kept() -> None:
    assert errors_of(ca_bundle="no pem").keys() == {"ca_bundle"}
    assert cleaned(ca_bundle=certificate_block(PEM))["ca_bundle"] == certificate_block(PEM).strip()


def test_secrets_are_never_sent_back_to_the_browser() -> None:
    html = GraphBackend.Options({**GIVEN, "client_secret": "hunter2", "certificate": "hunter3"}).as_p()
    assert "hunter" not in html
    secret = {
        name for name, field in GraphBackend.Options.base_fields.items() if isinstance(field, SecretField)
    }
    assert secret == {"client_secret", "certificate"}


def test_every_option_is_explained_and_kept_as_plain_data() -> None:
    assert all(field.help_text for field in GraphBackend.Options.base_fields.values())
    assert all(isinstance(value, str) for value in cleaned().values())
