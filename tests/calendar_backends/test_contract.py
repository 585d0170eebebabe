"""The EWS and the Graph driver keep the contract, on the simulated Exchange."""

from collections.abc import Iterator

import pytest

from calendar_backends import registry
from calendar_backends.base import CalendarBackend, Content, Interval
from calendar_backends.simulator import Simulator
from calendar_backends.simulator.world import Item
from calendar_backends.testing import BackendContract, Contents, Put
from tests.conftest import options_for


class OnSimulatedExchange(BackendContract):
    backend: str

    @pytest.fixture
    def calendar(self, exchange: Simulator) -> Iterator[CalendarBackend]:
        for address in (self.known, self.also_known):
            exchange.world.tenants["contoso"].add_mailbox(address)
        calendar = registry.load(self.backend)(options_for(self.backend, exchange))
        yield calendar
        calendar.close()

    @pytest.fixture
    def put(self, exchange: Simulator) -> Put:
        def put(mailbox: str, when: Interval, status: str) -> None:
            box = exchange.world.mailbox(mailbox)
            assert box is not None
            box.add_item("Private", when.start, when.end, show_as=status)

        return put

    @pytest.fixture
    def contents(self, exchange: Simulator) -> Contents:
        def contents(mailbox: str) -> list[Content]:
            box = exchange.world.mailbox(mailbox)
            assert box is not None
            return [content_of(item) for item in box.calendar_items() if item.properties]

        return contents


def content_of(item: Item) -> Content:
    """What an item of the simulated Exchange says."""
    return Content(
        item.subject,
        item.body,
        item.location,
        item.start,
        item.end,
        html=item.body_type == "html",
        show_as=item.show_as,
        reminder=item.reminder_minutes if item.reminder else None,
    )


class TestEws(OnSimulatedExchange):
    backend = "ews"


class TestGraph(OnSimulatedExchange):
    backend = "graph"


del OnSimulatedExchange  # pytest would collect it
