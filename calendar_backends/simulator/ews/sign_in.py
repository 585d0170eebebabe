"""Who calls the EWS face, and in whose name: Basic or Bearer, then ExchangeImpersonation.

Rules: "Impersonation and EWS in Exchange" and the ConnectingSID and ResponseCode pages of the EWS reference.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from calendar_backends.simulator.ews.soap import Envelope, HttpRefusal, SoapFault, T, invalid, local_name
from calendar_backends.simulator.wire import Request
from calendar_backends.simulator.world import Mailbox, ServiceAccount, Tenant, World

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

EWS_PERMISSION = "full_access_as_app"
# What opening a mailbox in such a state is refused with.
_CLOSED = {
    "unlicensed": "ErrorInvalidLicense",
    "disabled": "ErrorAccountDisabled",
    "moving": "ErrorMailboxMoveInProgress",
    "store_unavailable": "ErrorMailboxStoreUnavailable",
}


@dataclass(frozen=True)
class Caller:
    """Who signed in. An app has no account and no mailbox of its own."""

    tenant: Tenant
    account: ServiceAccount | None
    scope: set[str] | None = None

    def may_act_for(self, address: str) -> bool:
        if self.account is not None:
            return self.account.may_act_for(address)
        return self.scope is None or address.lower() in {allowed.lower() for allowed in self.scope}


def sign_in(request: Request, exchange: Simulator) -> Caller:
    """The caller. Raises HttpRefusal 401 or 403, or SoapFault(ErrorPasswordExpired)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        caller = _basic(value, exchange.world)
    elif scheme.lower() == "bearer":
        caller = _bearer(value, exchange)
    else:
        raise _unauthorized()
    if not caller.tenant.ews_enabled:
        raise HttpRefusal(403, {"x-ms-diagnostics": "EWS is disabled for this organization."})
    return caller


def acting_mailbox(envelope: Envelope, caller: Caller) -> Mailbox:
    """The mailbox in whose name the operation runs. Raises SoapFault if that is not allowed."""
    impersonation = envelope.header_block("ExchangeImpersonation")
    if impersonation is None:
        return _own_mailbox(caller)
    mailbox = _impersonated(impersonation, caller)
    if mailbox.state in _CLOSED:
        raise SoapFault(_CLOSED[mailbox.state])
    return mailbox


def impersonated_address(envelope: Envelope) -> str | None:
    """The address in the impersonation header, whatever kind of name it is."""
    block = envelope.header_block("ExchangeImpersonation")
    names = [] if block is None else list(block.iterfind(f"{T}ConnectingSID/*"))
    return (names[0].text or "").strip() if names else None


def _basic(value: str, world: World) -> Caller:
    try:
        username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _unauthorized() from error
    tenant = world.tenant_of_account(username)
    account = tenant.accounts[username.lower()] if tenant else None
    if tenant is None or account is None or account.password != password:
        raise _unauthorized()
    if account.expired_password:
        raise SoapFault("ErrorPasswordExpired")
    return Caller(tenant, account)


def _bearer(token: str, exchange: Simulator) -> Caller:
    grant = exchange.tokens.find(token)
    if grant is None or grant.expired:
        reason = "The token has expired." if grant else "The token has an invalid signature."
        diagnostics = {"x-ms-diagnostics": f'2000003;reason="{reason}";error_category="invalid_token"'}
        raise HttpRefusal(401, {**diagnostics, "WWW-Authenticate": 'Bearer error="invalid_token"'})
    if EWS_PERMISSION not in grant.app.permissions:
        raise HttpRefusal(403)
    return Caller(grant.tenant, None, grant.app.scope)


def _unauthorized() -> HttpRefusal:
    return HttpRefusal(401, {"WWW-Authenticate": 'Basic realm="127.0.0.1"'})


def _own_mailbox(caller: Caller) -> Mailbox:
    if caller.account is None:
        text = "ExchangeImpersonation SOAP header must be present for this type of OAuth token."
        raise SoapFault("ErrorImpersonationRequired", text)
    mailbox = caller.tenant.mailbox(caller.account.mailbox) if caller.account.mailbox else None
    if mailbox is None:
        raise SoapFault("ErrorMissingEmailAddress")
    return mailbox


def _impersonated(block: etree._Element, caller: Caller) -> Mailbox:
    names = list(block.iterfind(f"{T}ConnectingSID/*"))
    if len(names) != 1:
        raise invalid("The element 'ConnectingSID' must name exactly one account.")
    kind, address = local_name(names[0]), (names[0].text or "").strip()
    if kind == "SID":
        raise SoapFault("ErrorInvalidUserSid")
    mailbox = caller.tenant.mailbox(address)
    if mailbox is None:
        raise SoapFault(
            "ErrorInvalidUserPrincipalName" if kind == "PrincipalName" else "ErrorNonExistentMailbox"
        )
    if kind == "PrimarySmtpAddress" and mailbox.address.lower() != address.lower():
        raise SoapFault("ErrorNonPrimarySmtpAddress", values={"Primary": mailbox.address})
    if not caller.may_act_for(mailbox.address):
        raise SoapFault("ErrorImpersonateUserDenied")
    return mailbox
