"""The access token of one Org: one for all threads, renewed ahead of its end.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from msal import ConfidentialClientApplication
from requests import Response, Session

from calendar_backends.base import CalendarError, Deadline
from calendar_backends.core.errors import (
    ACCESS_DENIED,
    INTERNAL_SERVER_TRANSIENT_ERROR,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
)
from calendar_backends.graph.connection import GraphAccount
from calendar_backends.transport import send

logger = logging.getLogger(__name__)

#: msal gives out no token that is closer to its end than this.
RENEW_AHEAD = 300.0
#: Seconds; the sign-in service may leave it out.
USUAL_LIFETIME = 3599.0
#: How long renewing a token that is still good may hold up a request, and the pause after a failure.
PATIENCE = 2.0
PAUSE = 15.0

_SIGN_IN_NUMBER = re.compile(r"AADSTS\d+")


@dataclass(frozen=True)
class Token:
    """Times are on the monotonic clock."""

    value: str
    renew_at: float
    expires_at: float


class Tokens:
    """Gives out the token. Never asks for one while another thread is asking."""

    def __init__(self, account: GraphAccount, authority_url: str) -> None:
        self._account = account
        self._scopes = [account.protocol.prefix_scope(".default")]
        self._sign_in = SignInClient(account, authority_url)
        self._application: Any = None
        self._token: Token | None = None
        self._asking = Lock()

    def get(self, deadline: Deadline) -> str:
        """A token that is good now. Raises CalendarError: ErrorAccessDenied where sign-in is refused."""
        token, now = self._token, time.monotonic()
        if token is not None and now < token.renew_at:
            return token.value
        if token is not None and now < token.expires_at:
            self._renew_ahead(token, deadline.within(PATIENCE))
            return self._token.value if self._token else token.value
        return self._renew(token, deadline)

    def replace(self, refused: str, deadline: Deadline) -> str:
        """A token other than ``refused``, which Graph did not accept. Raises CalendarError."""
        token = self._token
        return self._renew(token if token is not None and token.value == refused else None, deadline)

    def _renew(self, old: Token | None, deadline: Deadline) -> str:
        """A new token, unless another thread has replaced ``old`` in the meantime."""
        with self._turn(deadline):
            token = self._token
            if token is None or token is old or time.monotonic() >= token.expires_at:
                token = self._token = self._fetch(deadline)
            return token.value

    def _renew_ahead(self, token: Token, deadline: Deadline) -> None:
        if not self._asking.acquire(blocking=False):
            return
        try:
            if self._token is token:
                self._token = self._fetch(deadline)
        except CalendarError as error:
            logger.warning("token not renewed ahead of its end: %s", error)
            self._token = Token(token.value, time.monotonic() + PAUSE, token.expires_at)
        finally:
            self._asking.release()

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self._asking.acquire(timeout=deadline.left()):
            raise CalendarError(TIMEOUT_EXPIRED, "waiting for sign-in")
        try:
            yield
        finally:
            self._asking.release()

    def _fetch(self, deadline: Deadline) -> Token:
        started = time.monotonic()
        self._sign_in.deadline = deadline
        result = self._ask()
        if "access_token" not in result:
            raise _refusal(result)
        seconds = float(result.get("expires_in", USUAL_LIFETIME))
        logger.info("sign-in seconds=%.3f lifetime=%.0f", time.monotonic() - started, seconds)
        renew_at = started + max(seconds - RENEW_AHEAD, seconds / 2)
        return Token(result["access_token"], renew_at, started + seconds)

    def _ask(self) -> dict[str, Any]:
        try:
            application = self._application or self._open_application()
            application.remove_tokens_for_client()
            result: dict[str, Any] = application.acquire_token_for_client(scopes=self._scopes)
        except CalendarError as error:
            # Whatever became of the sign-in, no calendar was touched.
            raise CalendarError(error.code, f"sign-in: {error.detail}") from error
        except Exception as error:
            raise CalendarError(
                INTERNAL_SERVER_TRANSIENT_ERROR, f"sign-in: {type(error).__name__}"
            ) from error
        return result

    def _open_application(self) -> Any:
        client_id, credential = self._account.con.auth
        self._application = ConfidentialClientApplication(
            client_id,
            client_credential=credential,
            authority=self._sign_in.authority,
            instance_discovery=False,
            http_client=self._sign_in,
            # A certificate's proof names the endpoint as it really is, also where that is http.
            client_claims={"aud": self._sign_in.token_url},
        )
        return self._application


class SignInClient:
    """msal's way to the network: its calls share the Org's connections and end at ``deadline``.

    msal accepts https authorities only, so it is told of one; http is spoken to this machine alone, as the
    options require. It also reads an OpenID configuration first, of which it needs nothing but the token
    endpoint, and that is documented to be where we say: it is answered here and saves a round trip.
    """

    def __init__(self, account: GraphAccount, authority_url: str) -> None:
        self._account = account
        self.token_url = f"{authority_url}/{account.con.tenant_id}/oauth2/v2.0/token"
        self.authority = f"https://{authority_url.partition('://')[2]}/{account.con.tenant_id}"
        self.deadline = Deadline.after(0)

    def get(self, url: str, **kwargs: Any) -> Response:
        endpoints = ("authorization", "token", "device_authorization")
        configuration = {f"{name}_endpoint": f"{self.authority}/oauth2/v2.0/token" for name in endpoints}
        response = Response()
        response.status_code, response.encoding = 200, "utf-8"
        response._content = json.dumps(configuration).encode()
        return response

    def post(self, url: str, **kwargs: Any) -> Response:
        """The token request. Raises CalendarError for an answer that is not the token endpoint's."""
        session: Session = self._account.con.open()
        response = send(session, "POST", self.token_url, self.deadline, **kwargs)
        if response.status_code == 429 or response.status_code >= 500:
            raise CalendarError(SERVER_BUSY, f"HTTP {response.status_code}")
        # msal would log the text of anything else, which may be half a token.
        try:
            usable = isinstance(response.json(), dict)
        except ValueError:
            usable = False
        if not usable:
            raise CalendarError(INTERNAL_SERVER_TRANSIENT_ERROR, f"HTTP {response.status_code}, unusable")
        return response

    def close(self) -> None:
        """The connections are the account's."""


def _refusal(result: dict[str, Any]) -> CalendarError:
    """Sign-in gave no token: the number is what an administrator looks up."""
    if "error" not in result:
        return CalendarError(INTERNAL_SERVER_TRANSIENT_ERROR, "sign-in: neither a token nor an error")
    number = _SIGN_IN_NUMBER.search(str(result.get("error_description")))
    detail = f"sign-in refused: {number[0] if number else 'no AADSTS number'}"
    return CalendarError(ACCESS_DENIED, detail, signed_out=True)
