"""Who is calling: the bearer token of a Client, and the Person it acts as."""

import hashlib
from typing import Any

from oauth2_provider.models import get_access_token_model
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from orgs.models import Person


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token>``: request.user is the Person, request.auth the access token.

    401 with a Bearer challenge for a token that is missing, unknown, revoked or expired, or whose
    client, person or org is disabled: a Salesforce named credential asks for a new token on 401 only.
    One query, nothing cached, and the body is not read before the caller is known (which
    oauth2_provider's own class does).
    """

    def authenticate(self, request: Request) -> tuple[Person, Any] | None:
        scheme, _, value = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = _find(value.strip())
        if token is None or token.is_expired():
            raise AuthenticationFailed("The access token is unknown, revoked or expired.")
        if not token.application.is_usable(request):
            raise AuthenticationFailed("The client, its user or its org is disabled.")
        if not token.allows_audience(request.build_absolute_uri(request.path)):
            raise AuthenticationFailed("The access token was asked for with another resource (RFC 8707).")
        return token.application.acts_as, token

    def authenticate_header(self, request: Request) -> str:
        """RFC 6750, section 3: an error code only for those who showed a token."""
        presented = get_authorization_header(request).lower().startswith(b"bearer ")
        return 'Bearer realm="api", error="invalid_token"' if presented else 'Bearer realm="api"'


def _find(raw: bytes) -> Any:
    tokens = get_access_token_model().objects.select_related("application__acts_as__org")
    # Tokens without a client do not come from this service. Unordered: the checksum is unique.
    found = tokens.filter(token_checksum=hashlib.sha256(raw).hexdigest(), application__isnull=False)
    return next(iter(found.order_by()), None)
