"""The EWS face: SOAP over HTTP at /EWS/Exchange.asmx, as Exchange Server 2019 and SE speak it."""

from calendar_backends.simulator.ews.face import plan

__all__ = ["plan"]
