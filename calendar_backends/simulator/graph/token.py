"""Sign-in for applications: the Microsoft identity platform's token endpoint and discovery documents.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. The numbers of errors:
https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from calendar_backends.simulator.wire import Request, Response
from calendar_backends.simulator.world import App, Tenant

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class SignInError(Exception):
    """Sign-in is refused, with OAuth's word for it and the number that an administrator looks up."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.number = number
        self.text = text


def handle(request: Request, exchange: Simulator) -> Response:
    """Answer instance discovery, a tenant's openid-configuration or its token endpoint."""
    try:
        return _answer(200, _respond(request, exchange))
    except SignInError as error:
        return _refusal(error, request, exchange)


def _respond(request: Request, exchange: Simulator) -> dict[str, Any]:
    segments = [unquote(part) for part in request.path.strip("/").split("/")]
    if segments == ["common", "discovery", "instance"]:
        return _instance(exchange)
    tenant = _tenant(segments[0], exchange)
    if segments[1:] == ["v2.0", ".well-known", "openid-configuration"]:
        return _configuration(tenant, exchange)
    if segments[1:] != ["oauth2", "v2.0", "token"] or request.method != "POST":
        raise SignInError(404, "invalid_request", 900561, "The endpoint only accepts POST requests.")
    return _grant(tenant, request, exchange)


def _grant(tenant: Tenant, request: Request, exchange: Simulator) -> dict[str, Any]:
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if _field(form, "grant_type") != "client_credentials":
        raise SignInError(
            400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
        )
    app = _app(tenant, _field(form, "client_id"))
    _prove(app, tenant, form, exchange)
    audience = _audience(_field(form, "scope"), exchange)
    token = exchange.tokens.issue(tenant, app, audience, exchange.token_lifetime)
    lifetime = int(exchange.token_lifetime)
    return {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}


def _field(form: dict[str, str], name: str) -> str:
    if not form.get(name):
        text = f"The request body must contain the following parameter: '{name}'."
        raise SignInError(400, "invalid_request", 900144, text)
    return form[name]


def _tenant(name: str, exchange: Simulator) -> Tenant:
    tenant = exchange.world.tenant_by_id(name)
    if tenant is None:
        text = f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID."
        raise SignInError(400, "invalid_request", 90002, text)
    return tenant


def _app(tenant: Tenant, client_id: str) -> App:
    app = tenant.apps.get(client_id)
    if app is None:
        text = f"Application with identifier '{client_id}' was not found in the directory '{tenant.slug}'."
        raise SignInError(400, "unauthorized_client", 700016, text)
    return app


def _prove(app: App, tenant: Tenant, form: dict[str, str], exchange: Simulator) -> None:
    if form.get("client_assertion_type") == _ASSERTION_TYPE:
        return _check_assertion(app, tenant, form.get("client_assertion", ""), exchange)
    if "client_secret" not in form:
        text = "'client_assertion', 'client_secret' or 'request' is required for this grant type."
        raise SignInError(401, "invalid_client", 7000216, text)
    if not hmac.compare_digest(form["client_secret"].encode(), app.client_secret.encode()):
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client "
            f"secret value, not the client secret ID, for a secret added to app '{app.client_id}'."
        )
        raise SignInError(401, "invalid_client", 7000215, text)


def _check_assertion(app: App, tenant: Tenant, assertion: str, exchange: Simulator) -> None:
    """A certificate's proof: all is checked but the signature.

    https://learn.microsoft.com/entra/identity-platform/certificate-credentials
    """
    header, claims = _jwt(assertion)
    if not app.certificate_accepted or not header.keys() & {"x5t", "x5t#S256"}:
        text = "The certificate used to sign the client assertion is not registered on the application."
        raise SignInError(401, "invalid_client", 700027, text)
    ids = {tenant.tenant_id.lower(), *map(str.lower, tenant.domains)}
    audiences = {f"{exchange.url}/{name}/oauth2/v2.0/token" for name in ids}
    if (
        str(claims.get("aud")).lower() not in audiences
        or not claims.get("iss") == claims.get("sub") == app.client_id
    ):
        text = (
            "Client assertion audience claim, issuer or subject does not match this application and endpoint."
        )
        raise SignInError(401, "invalid_client", 700023, text)
    if not isinstance(claims.get("exp"), int | float) or claims["exp"] < time.time():
        text = "Client assertion is not within its valid time range."
        raise SignInError(401, "invalid_client", 700024, text)


def _jwt(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, _, rest = text.partition(".")
    body, _, signature = rest.partition(".")
    header, claims = _jwt_part(head), _jwt_part(body)
    if header is None or claims is None or not signature:
        raise SignInError(400, "invalid_request", 50027, "JWT token is invalid or malformed.")
    return header, claims


def _jwt_part(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=="))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _audience(scope: str, exchange: Simulator) -> str:
    root, suffix, rest = scope.rpartition("/.default")
    if not suffix or rest:
        text = (
            f"The provided value for scope {scope} is not valid. Client credential flows must have a scope "
        )
        raise SignInError(
            400, "invalid_scope", 1002012, text + "value with /.default suffixed to the resource."
        )
    if root.rstrip("/") != exchange.url:
        text = f"The resource principal named {root} was not found in the tenant."
        raise SignInError(400, "invalid_resource", 500011, text)
    return exchange.url


def _configuration(tenant: Tenant, exchange: Simulator) -> dict[str, Any]:
    root = f"{exchange.url}/{tenant.tenant_id}"
    return {
        "issuer": f"{root}/v2.0",
        "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        "token_endpoint": f"{root}/oauth2/v2.0/token",
        "jwks_uri": f"{root}/discovery/v2.0/keys",
        "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "msgraph_host": exchange.url.removeprefix("http://"),
    }


def _instance(exchange: Simulator) -> dict[str, Any]:
    host = exchange.url.removeprefix("http://")
    return {
        "tenant_discovery_endpoint": f"{exchange.url}/common/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }


def _answer(status: int, content: dict[str, Any]) -> Response:
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store, no-cache"}
    return Response(status, json.dumps(content).encode(), headers)


def _refusal(error: SignInError, request: Request, exchange: Simulator) -> Response:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = str(uuid.uuid4()), request.headers.get("client-request-id", str(uuid.uuid4()))
    text = (
        f"AADSTS{error.number}: {error.text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}"
    )
    content = {
        "error": error.error,
        "error_description": text,
        "error_codes": [error.number],
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"{exchange.url}/error?code={error.number}",
    }
    return _answer(error.status, content)
