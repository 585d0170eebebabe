"""What an Org must fill in to reach its Microsoft 365 tenant."""

import re
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from calendar_backends.base import SecretField
from calendar_backends.graph.messages import is_address
from calendar_backends.transport import require_certificates, require_tls

GRAPH_URL = "https://graph.microsoft.com"
AUTHORITY_URL = "https://login.microsoftonline.com"

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_identifier = RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z", "Letters, digits, dots and hyphens only.")


class UnshownTextarea(forms.Textarea):
    """A text area for a secret: what was entered is never sent back to the browser."""

    def format_value(self, value: Any) -> None:
        return None


class GraphOptions(forms.Form):
    """The options of GraphBackend. Either ``client_secret`` or ``certificate`` is set."""

    tenant_id = forms.CharField(
        label="Tenant",
        validators=[_identifier],
        help_text="Directory (tenant) ID of the app registration in Microsoft Entra, or the tenant's domain.",
    )
    client_id = forms.CharField(
        label="Application (client) ID",
        validators=[_identifier],
        help_text=(
            "The app registration that acts for this Org. Least privilege: no API permission in Entra but "
            'the Exchange Online role "Application Calendars.ReadWrite", scoped to the people who are '
            "scheduled (RBAC for Applications). The application permission Calendars.ReadWrite works as "
            "well, for every mailbox of the tenant. For Read alone, Calendars.ReadBasic.All is enough."
        ),
    )
    client_secret = SecretField(
        required=False,
        help_text="A client secret's value (not its ID). Leave it empty when a certificate is used.",
    )
    certificate = SecretField(
        required=False,
        widget=UnshownTextarea(attrs={"rows": 6}),
        help_text=(
            "Instead of a client secret: the RSA private key, not encrypted, and the certificate that is "
            "registered with the app, both in PEM, one after the other."
        ),
    )
    graph_url = forms.CharField(
        label="Graph URL",
        required=False,
        initial=GRAPH_URL,
        help_text=f"The root of Microsoft Graph, without a path. Empty: {GRAPH_URL}. National clouds differ.",
    )
    authority_url = forms.CharField(
        label="Sign-in URL",
        required=False,
        initial=AUTHORITY_URL,
        help_text=f"The root of the sign-in service without a path. Empty: {AUTHORITY_URL}.",
    )
    ca_bundle = forms.CharField(
        label="CA certificates",
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="PEM. Only if the way to Graph is signed by a certificate authority of your own.",
    )
    anchor_mailbox = forms.CharField(
        required=False,
        help_text=(
            "Free/busy is asked for through a mailbox of the tenant that the app may read. Empty: one of the "
            "people asked about. Name one here if many of them are outside the app's scope."
        ),
    )

    def clean_tenant_id(self) -> str:
        tenant: str = self.cleaned_data["tenant_id"]
        if tenant.lower() in {"common", "organizations", "consumers"}:
            raise ValidationError("An application signs in to one tenant: give its ID or its domain.")
        return tenant

    def clean_graph_url(self) -> str:
        return _root(self.cleaned_data["graph_url"] or GRAPH_URL)

    def clean_authority_url(self) -> str:
        return _root(self.cleaned_data["authority_url"] or AUTHORITY_URL)

    def clean_ca_bundle(self) -> str:
        pem: str = self.cleaned_data["ca_bundle"]
        if pem:
            require_certificates(pem)
        return pem

    def clean_certificate(self) -> str:
        pem: str = self.cleaned_data["certificate"]
        if pem:
            key_and_certificate(pem)
        return pem

    def clean_anchor_mailbox(self) -> str:
        mailbox: str = self.cleaned_data["anchor_mailbox"]
        if mailbox and not is_address(mailbox):
            raise ValidationError("This is not the address of a mailbox.")
        return mailbox

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors.keys() & {"client_secret", "certificate"}:
            return cleaned
        if cleaned.get("client_secret") and cleaned.get("certificate"):
            self.add_error("certificate", "Give a client secret or a certificate, not both.")
        if not (cleaned.get("client_secret") or cleaned.get("certificate")):
            self.add_error("client_secret", "Give a client secret, or a certificate below.")
        return cleaned


def key_and_certificate(pem: str) -> tuple[str, str]:
    """The PEM blocks of the private key and of its certificate. Raises ValidationError."""
    blocks = {found[1].split()[-1]: found[0] for found in reversed(list(_BLOCK.finditer(pem)))}
    if not {"KEY", "CERTIFICATE"} <= blocks.keys():
        raise ValidationError("Give both the private key and the certificate, in PEM.")
    try:
        key = load_pem_private_key(blocks["KEY"].encode(), password=None)
        certificate = x509.load_pem_x509_certificate(blocks["CERTIFICATE"].encode())
    except (ValueError, TypeError) as error:
        raise ValidationError("The private key (not encrypted) or the certificate cannot be read.") from error
    if not isinstance(key, RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise ValidationError("The private key must be an RSA key and belong to the certificate.")
    return blocks["KEY"], blocks["CERTIFICATE"]


def _root(url: str) -> str:
    require_tls(url)
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValidationError("Give the root only, for example https://graph.microsoft.com.")
    return f"{parts.scheme}://{parts.netloc.lower()}"
