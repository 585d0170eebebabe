"""What an Org fills in to be connected through EWS."""

from typing import Final
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from calendar_backends.base import SecretField
from calendar_backends.ews.envelope import VERSIONS
from calendar_backends.transport import require_certificates, require_tls

DEFAULT_VERSION: Final = "Exchange2016"
#: Days: https://learn.microsoft.com/exchange/client-developer/web-service-reference/timewindow.
DEFAULT_WINDOW: Final = "42"
_EXCHANGE_ONLINE: Final = (
    ".office365.com",
    ".office.com",
    ".outlook.com",
    ".office365.us",
    ".partner.outlook.cn",
)


class EwsOptions(forms.Form):
    """Connection and service account. All cleaned values are text."""

    endpoint = forms.CharField(
        validators=[require_tls],
        help_text="The EWS address of your Exchange Server, "
        "for example https://mail.example.com/EWS/Exchange.asmx.",
    )
    auth_type = forms.ChoiceField(
        label="Sign-in",
        choices=[("ntlm", "NTLM"), ("basic", "Basic")],
        help_text="How the service account signs in. Exchange Server offers NTLM (Windows authentication) by "
        "default; choose Basic only if the EWS virtual directory has it switched on.",
    )
    username = forms.CharField(
        help_text="The service account: its address (service@example.com) or DOMAIN\\user. To read free/busy "
        "it needs a mailbox and no further right. To write Appointments it needs the role "
        "ApplicationImpersonation, best with a management scope of only the people who can be booked."
    )
    password = SecretField(strip=False, help_text="The password of the service account.")
    version = forms.ChoiceField(
        required=False,
        choices=[(name, name) for name in VERSIONS],
        initial=DEFAULT_VERSION,
        help_text="The EWS schema to speak. Exchange2016 is right for Exchange Server 2016, 2019 and "
        "Subscription Edition; older servers need an older one.",
    )
    longest_window = forms.CharField(
        required=False,
        initial=DEFAULT_WINDOW,
        label="Longest window in days",
        validators=[RegexValidator(r"^([1-9]|[1-5][0-9]|6[0-2])\Z", "A whole number of days, from 1 to 62.")],
        help_text="How much one free/busy request asks for; longer windows are split. 42 days are what every "
        "server allows unless its admin chose less; 62 suit a server that allows as many, and save requests.",
    )
    ca_bundle = forms.CharField(
        required=False,
        label="CA certificates",
        widget=forms.Textarea,
        help_text="Only if the certificate of your server comes from a CA of your own: its certificates "
        "as PEM text. They then replace the public ones. Verification cannot be switched off.",
    )

    def clean_endpoint(self) -> str:
        endpoint: str = self.cleaned_data["endpoint"]
        parts = urlsplit(endpoint)
        if parts.path in ("", "/"):
            raise ValidationError("The path is missing; it normally is /EWS/Exchange.asmx.")
        if f".{parts.hostname}".endswith(_EXCHANGE_ONLINE):
            raise ValidationError(
                "Exchange Online has switched EWS off for this. Use the Microsoft Graph driver."
            )
        return endpoint

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if ":" in username:
            raise ValidationError("A user name has no colon in it.")
        return username

    def clean_version(self) -> str:
        return self.cleaned_data["version"] or DEFAULT_VERSION

    def clean_longest_window(self) -> str:
        return self.cleaned_data["longest_window"] or DEFAULT_WINDOW

    def clean_ca_bundle(self) -> str:
        pem: str = self.cleaned_data["ca_bundle"]
        if pem:
            require_certificates(pem)
        return pem
