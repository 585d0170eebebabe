"""The Graph face of the simulated Exchange: free/busy, events and batches under /v1.0, and sign-in.

The pages it follows are those of the Microsoft Graph v1.0 reference, https://learn.microsoft.com/graph/api.
"""

from calendar_backends.simulator.graph.face import plan

__all__ = ["plan"]
