"""Microsoft 365 through Microsoft Graph, with an application's own sign-in. Over python-o365 and msal."""

from calendar_backends.graph.backend import GraphBackend

__all__ = ["GraphBackend"]
