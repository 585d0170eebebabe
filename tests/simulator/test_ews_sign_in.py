import pytest

from calendar_backends.simulator import Simulator
from calendar_backends.simulator.world import Tenant
from tests.simulator.conftest import ANNA, BEN, NINE, SERVICE, TEN
from tests.simulator.ews_client import Answer, EwsClient, appointment

PING = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    '<m:FolderIds><t:DistinguishedFolderId Id="calendar"/></m:FolderIds></m:GetFolder>'
)


def _impersonate(kind: str, name: str) -> str:
    sid = f"<t:ConnectingSID><t:{kind}>{name}</t:{kind}></t:ConnectingSID>"
    return f"<t:ExchangeImpersonation>{sid}</t:ExchangeImpersonation>"


@pytest.mark.parametrize("authorization", ["Basic bm9ib2R5OndvcmQ=", "Basic !", "Negotiate x", ""])
def test_bad_credentials_get_401_and_a_challenge(reader: EwsClient, authorization: str) -> None:
    answer = reader.call(PING, Authorization=authorization)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_a_wrong_password_gets_401(reader: EwsClient) -> None:
    reader.password = "wrong"
    assert reader.call(PING).status == 401


def test_user_names_are_compared_without_case(reader: EwsClient) -> None:
    reader.username = SERVICE.upper()
    assert reader.call(PING).codes == ["NoError"]


def test_an_expired_password_is_a_fault(reader: EwsClient, tenant: Tenant) -> None:
    tenant.accounts[SERVICE].expired_password = True
    assert reader.call(PING).codes == ["ErrorPasswordExpired"]


def test_an_organization_without_ews_gets_403(reader: EwsClient, tenant: Tenant) -> None:
    tenant.ews_enabled = False
    assert reader.call(PING).status == 403


def test_an_account_without_mailbox_must_impersonate(
    ews: EwsClient, reader: EwsClient, tenant: Tenant
) -> None:
    tenant.accounts[SERVICE].mailbox = None
    assert reader.call(PING).codes == ["ErrorMissingEmailAddress"]
    assert ews.call(PING).codes == ["NoError"]


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        ("PrimarySmtpAddress", ANNA.upper(), "NoError"),
        ("PrimarySmtpAddress", "nobody@contoso.example", "ErrorNonExistentMailbox"),
        ("PrimarySmtpAddress", "a.holm@contoso.example", "ErrorNonPrimarySmtpAddress"),
        ("SmtpAddress", "a.holm@contoso.example", "NoError"),
        ("PrincipalName", ANNA, "NoError"),
        ("PrincipalName", "nobody", "ErrorInvalidUserPrincipalName"),
        ("SID", "S-1-5-21", "ErrorInvalidUserSid"),
    ],
)
def test_impersonation_names_one_mailbox(reader: EwsClient, kind: str, name: str, code: str) -> None:
    answer = reader.call(PING, _impersonate(kind, name))
    assert (answer.status, answer.codes) == (200 if code == "NoError" else 500, [code])


@pytest.mark.parametrize("right", [False, {BEN}])
def test_impersonation_out_of_scope_is_denied(ews: EwsClient, tenant: Tenant, right: bool | set[str]) -> None:
    tenant.accounts[SERVICE].may_impersonate = right
    answer = ews.create(appointment("A", NINE, TEN))
    assert (answer.status, answer.codes) == (500, ["ErrorImpersonateUserDenied"])
    assert tenant.mailboxes[ANNA].items == []


def test_impersonation_in_scope_is_allowed(ews: EwsClient, tenant: Tenant) -> None:
    tenant.accounts[SERVICE].may_impersonate = {ANNA}
    assert ews.call(PING).codes == ["NoError"]


def test_two_names_in_one_header_break_the_schema(reader: EwsClient) -> None:
    names = f"<t:SmtpAddress>{ANNA}</t:SmtpAddress><t:SmtpAddress>{BEN}</t:SmtpAddress>"
    header = f"<t:ExchangeImpersonation><t:ConnectingSID>{names}</t:ConnectingSID></t:ExchangeImpersonation>"
    reader.checks_schema = False
    assert reader.call(PING, header).codes == ["ErrorSchemaValidation"]


def _as_app(exchange: Simulator, tenant: Tenant, client: EwsClient, lifetime: float = 60) -> Answer:
    token = exchange.tokens.issue(tenant, tenant.apps["app"], exchange.url, lifetime)
    return client.call(PING, Authorization=f"Bearer {token}")


def test_an_app_acts_for_a_mailbox_in_its_scope(exchange: Simulator, tenant: Tenant, ews: EwsClient) -> None:
    assert _as_app(exchange, tenant, ews).codes == ["NoError"]
    tenant.apps["app"].scope = {BEN}
    assert _as_app(exchange, tenant, ews).codes == ["ErrorImpersonateUserDenied"]


def test_an_app_must_impersonate(exchange: Simulator, tenant: Tenant, reader: EwsClient) -> None:
    assert _as_app(exchange, tenant, reader).codes == ["ErrorImpersonationRequired"]


def test_an_app_without_the_permission_gets_403(exchange: Simulator, tenant: Tenant, ews: EwsClient) -> None:
    tenant.apps["app"].permissions = {"Calendars.ReadWrite"}
    assert _as_app(exchange, tenant, ews).status == 403


def test_an_expired_or_unknown_token_gets_401(exchange: Simulator, tenant: Tenant, ews: EwsClient) -> None:
    assert _as_app(exchange, tenant, ews, lifetime=0).status == 401
    assert ews.call(PING, Authorization="Bearer nonsense").status == 401
