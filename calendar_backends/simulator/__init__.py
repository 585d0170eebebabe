"""A small Exchange for demos, tests and benchmarks: one store, an EWS face and a Microsoft Graph face.

It imports nothing of the service that it examines, and none of the service's client libraries.
"""

from calendar_backends.simulator.faults import Fault
from calendar_backends.simulator.server import Simulator
from calendar_backends.simulator.world import World

__all__ = ["Fault", "Simulator", "World"]
