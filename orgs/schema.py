"""How the OpenAPI document describes the sign-in."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.settings import oauth2_settings


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "orgs.authentication.TokenAuthentication"
    name = "oauth2"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        flow = {"tokenUrl": "/oauth/token", "scopes": dict(oauth2_settings.SCOPES)}
        return {"type": "oauth2", "flows": {"clientCredentials": flow}}
