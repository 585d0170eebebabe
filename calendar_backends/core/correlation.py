"""The id that ties one request of Salesforce to every line and every call it causes."""

from contextvars import ContextVar

#: salesforceCorrelationId where the caller sent one, else a random id; "" outside a request.
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
