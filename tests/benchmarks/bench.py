"""What every case gets: the simulated Exchange, the service's installation, and whether to hurry."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.service import Installation


@dataclass(frozen=True)
class Bench:
    """``exchange`` is the URL of the simulated Exchange; ``quick`` asks for a first impression."""

    exchange: str
    installation: Installation
    quick: bool

    def switch_on(self, kind: str, mailboxes: list[str], **parameters: Any) -> None:
        """A fault for every request that touches one of the mailboxes."""
        for mailbox in mailboxes:
            self._control("POST", "faults", {"kind": kind, "mailbox": mailbox, **parameters})

    def switch_off(self) -> None:
        """All faults."""
        self._control("DELETE", "faults")

    def _control(self, method: str, path: str, body: Any = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.exchange}/simulator/{path}", data, method=method)  # noqa: S310
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
