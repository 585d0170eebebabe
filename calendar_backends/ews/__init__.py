"""Exchange Web Services: Exchange Server on premises, through exchangelib."""

from calendar_backends.ews.backend import EwsBackend

__all__ = ["EwsBackend"]
