"""Access tokens that the simulated sign-in service has issued; both faces accept them as Bearer."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass

from calendar_backends.simulator.world import App, Tenant


@dataclass(frozen=True)
class Grant:
    """Whom a token stands for. `audience` is the root that it was asked for; `expires_at` is monotonic."""

    tenant: Tenant
    app: App
    audience: str
    expires_at: float

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.expires_at


class TokenBook:
    """Every token issued, expired ones included, so that a refusal can say which it is."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._lock = threading.Lock()

    def issue(self, tenant: Tenant, app: App, audience: str, lifetime: float) -> str:
        """A new token, good for `lifetime` seconds."""
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._grants[token] = Grant(tenant, app, audience, time.monotonic() + lifetime)
        return token

    def find(self, token: str) -> Grant | None:
        """The grant of a token that was issued here (look at its `expired`), or None."""
        return self._grants.get(token)

    def clear(self) -> None:
        """Forget every token, as when the signing keys are rolled."""
        with self._lock:
            self._grants.clear()
