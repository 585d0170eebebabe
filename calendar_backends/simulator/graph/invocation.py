"""One signed-in Graph request: who asks, about which mailbox, and how the answer is to look."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any

from calendar_backends.simulator.graph import edm
from calendar_backends.simulator.graph.answers import GraphError
from calendar_backends.simulator.graph.times import zone
from calendar_backends.simulator.tokens import Grant
from calendar_backends.simulator.wire import Request
from calendar_backends.simulator.world import Item, Mailbox

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

_PREFERENCE = re.compile(r'([\w.-]+)\s*=\s*"?([^",]*)"?')


@dataclass(frozen=True)
class Invocation:
    """What an operation needs to know. `operation` is the counter name, such as "graph.POST events"."""

    exchange: Simulator
    request: Request
    operation: str
    grant: Grant
    mailbox: Mailbox
    event_id: str = ""

    @cached_property
    def preferences(self) -> Mapping[str, str]:
        """The Prefer header, names in lower case."""
        header = self.request.headers.get("prefer", "")
        return {name.lower(): value for name, value in _PREFERENCE.findall(header)}

    @cached_property
    def time_zone_name(self) -> str:
        """The zone that times are wanted in: UTC unless Prefer: outlook.timezone says otherwise."""
        return self.preferences.get("outlook.timezone", "UTC")

    @property
    def time_zone(self) -> tzinfo:
        return zone(self.time_zone_name)

    @property
    def wants_text(self) -> bool:
        return self.preferences.get("outlook.body-content-type", "").lower() == "text"

    @property
    def applied_preferences(self) -> dict[str, str]:
        """The Preference-Applied header, where there is something to say."""
        known = ("outlook.timezone", "outlook.body-content-type", "idtype")
        applied = [f'{name}="{self.preferences[name]}"' for name in known if name in self.preferences]
        return {"Preference-Applied": ", ".join(applied)} if applied else {}

    def id_of(self, item: Item) -> str:
        """The id by which this caller wants to know an item.

        https://learn.microsoft.com/graph/outlook-immutable-id
        """
        return item.immutable_id if self.preferences.get("idtype") == "ImmutableId" else item.rest_id

    def json(self, type_name: str) -> dict[str, Any]:
        """The request's body, checked against a type of the model. Raises GraphError 400 or 415."""
        value = edm.read(self._lenient_case(type_name, self._parse()), type_name)
        if not isinstance(value, dict):
            raise GraphError(400, "BadRequest", "Empty Payload. JSON content expected.")
        return value

    def _parse(self) -> Any:
        if not self.request.body:
            raise GraphError(400, "BadRequest", "Empty Payload. JSON content expected.")
        if not self.request.headers.get("content-type", "").lower().startswith("application/json"):
            message = "A supported MIME type could not be found that matches the content type of the request."
            raise GraphError(415, "RequestBodyRead", message)
        return parse_json(self.request.body)

    @staticmethod
    def _lenient_case(type_name: str, value: Any) -> Any:
        # Action parameters are read without regard to case: the CSDL and the SDKs spell Schedules, the
        # reference page schedules. Properties of entities are not.
        if type_name != "getSchedule" or not isinstance(value, dict):
            return value
        return {name[:1].lower() + name[1:]: member for name, member in value.items()}


def parse_json(body: bytes) -> Any:
    """A JSON body. Raises GraphError 400 BadRequest."""
    try:
        return json.loads(body)
    except ValueError:
        raise GraphError(400, "BadRequest", "Unable to read JSON request payload.") from None
