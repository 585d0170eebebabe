"""How often somebody may present a wrong client secret."""

import hashlib
import time
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote_plus

from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.settings import api_settings

MOST_FAILURES = 20
SECONDS = 60


@dataclass(frozen=True)
class FailureLimit:
    """Wrong secrets per client address and client id, counted in the cache for all processes.

    Not per address alone: the Salesforce orgs of different tenants call from the same addresses, and
    one of them with a wrong secret must not shut the others out.
    """

    keys: list[str]

    @classmethod
    def of(cls, address: str, client_ids: set[str]) -> "FailureLimit":
        minute = int(time.time() // SECONDS)
        parts = (f"{minute} {address} {client_id}" for client_id in client_ids)
        return cls([f"oauth-failures:{hashlib.sha256(part.encode()).hexdigest()}" for part in parts])

    def wait(self) -> int:
        """Seconds until the next try is heard; 0 while there are tries left."""
        counts = cache.get_many(self.keys).values()
        exhausted = any(count >= MOST_FAILURES for count in counts)
        return SECONDS - int(time.time() % SECONDS) if exhausted else 0

    def count(self) -> None:
        for key in self.keys:
            cache.add(key, 0, timeout=SECONDS)
            with suppress(ValueError):  # it expired between the two lines
                cache.incr(key)


def client_address(request: HttpRequest) -> str:
    """Who called the outermost of REST_FRAMEWORK["NUM_PROXIES"] trusted proxies (None counts as 0)."""
    proxies = api_settings.NUM_PROXIES or 0
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    if proxies and hops:
        return hops[-min(proxies, len(hops))]
    return str(request.META["REMOTE_ADDR"])


def presented_client_ids(request: HttpRequest) -> set[str]:
    """Every client id that the request tries: the one of the Basic header and the one of the body."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    found = {request.POST.get("client_id", "")}
    if scheme.lower() == "basic":
        with suppress(ValueError):
            found.add(unquote_plus(b64decode(encoded).decode().partition(":")[0]))
    return found - {""}
