"""The simulated Exchange's control API."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any


def answers(url: str) -> bool:
    """Whether a server is there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=2).close()  # noqa: S310  a URL of ours
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Exchange:
    """Reached at ``url``."""

    url: str

    def switch_on(self, kind: str, **details: Any) -> int:
        """A fault's number."""
        number: int = self._ask("POST", "faults", {"kind": kind, **details})["id"]
        return number

    def switch_off(self, number: int) -> None:
        self._ask("DELETE", f"faults/{number}")

    def switch_all_off(self) -> None:
        self._ask("DELETE", "faults")

    def calendar(self, address: str) -> list[dict[str, Any]]:
        """The items of a mailbox that are in its calendar."""
        items = self._ask("GET", f"mailboxes/{address}")["items"]
        return [item for item in items if item["folder"] == "calendar"]

    def invitations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("GET", "invitations")["invitations"]
        return found

    def counters(self) -> dict[str, int]:
        found: dict[str, int] = self._ask("GET", "counters")["counters"]
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/simulator/{path}", data, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
