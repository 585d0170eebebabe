"""The token endpoint."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.views import TokenView as ToolkitTokenView
from oauthlib.oauth2 import (  # type: ignore[import-untyped]
    BackendApplicationServer,
    InvalidClientError,
    InvalidRequestError,
    OAuth2Error,
)

from orgs.models import Client
from orgs.throttling import FailureLimit, client_address, presented_client_ids


class TooManyFailures(OAuth2Error):
    error = "temporarily_unavailable"
    description = "Too many attempts with a wrong client secret."
    status_code = HTTPStatus.TOO_MANY_REQUESTS


class FormReader(OAuthLibCore):
    """A field without a value counts as omitted (RFC 6749, section 3.2): a scope may be empty."""

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [(name, value) for name, value in super().extract_body(request) if value.strip()]


class TokenView(ToolkitTokenView):
    """RFC 6749, section 4.4: the client credentials grant and nothing else, errors as in section 5.2.

    Under an Org's own URL only clients of that Org are known.
    """

    server_class = BackendApplicationServer
    oauthlib_backend_class = FormReader

    def post(self, request: HttpRequest, org_slug: str | None = None) -> HttpResponse:
        client_ids = presented_client_ids(request)
        limit = FailureLimit.of(client_address(request), client_ids)
        if wait := limit.wait():
            return _refuse(TooManyFailures(), {"Retry-After": str(wait)})
        response = self._answer(request, client_ids, org_slug)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            limit.count()
        return response

    def _answer(self, request: HttpRequest, client_ids: set[str], org_slug: str | None) -> HttpResponse:
        if request.META.get("QUERY_STRING"):
            return _refuse(InvalidRequestError("The parameters belong in the body."))
        # PostgreSQL takes no NUL in a text, so looking for one would be a server error.
        if any("\0" in client_id for client_id in client_ids) or _of_another_org(client_ids, org_slug):
            return _refuse(InvalidClientError())
        response: HttpResponse = self.authorization_flow_token_response(request)
        return response


def _of_another_org(client_ids: set[str], org_slug: str | None) -> bool:
    if org_slug is None:
        return False
    presented = Client.objects.filter(client_id__in=client_ids)
    return presented.exclude(acts_as__org__slug=org_slug).exists()


def _refuse(error: OAuth2Error, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        error.json,
        status=error.status_code,
        content_type="application/json",
        headers={**error.headers, **(headers or {})},
    )
