"""The ledger: what Salesforce declared, and what each mailbox is known to hold."""

from typing import Any

from django.db import models
from django.db.models.functions import Lower
from django.utils.dateparse import parse_datetime

from calendar_backends.base import Content
from calendar_backends.core.appointments import stamp_of
from orgs.fields import EncryptedJSONField
from orgs.models import Org


class Event(models.Model):
    """An Event of Salesforce, as it was declared last."""

    org = models.ForeignKey(Org, on_delete=models.PROTECT, related_name="events")
    salesforce_id = models.CharField("Salesforce id", max_length=255)
    #: subject, body, location, start and end; null once the Event is cancelled.
    content = EncryptedJSONField(null=True)
    cancelled = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0, help_text="Counts the declarations.")
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "salesforce_id"], name="one_event_per_id")]

    def __str__(self) -> str:
        return self.salesforce_id

    @property
    def stamp(self) -> str:
        """The value of the property that marks this Event's Appointments in their mailboxes."""
        return stamp_of(self.org.slug, self.salesforce_id)


class Appointment(models.Model):
    """What one mailbox should hold for an Event (wanted or not), and what it is known to hold."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="appointments")
    mailbox = models.CharField(max_length=254)
    wanted = models.BooleanField()
    #: The Event's version this mailbox agrees with; behind it, something is due.
    applied_version = models.PositiveIntegerField(default=0)
    #: The driver's name for the item, and the driver that gave it. A cache: the stamp is what counts.
    item_ref = models.TextField(null=True, editable=False)  # noqa: DJ001  null means that nothing is known
    backend = models.CharField(max_length=100, blank=True)
    error_code = models.CharField(max_length=100, blank=True, help_text="Of the last try.")
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint("event", Lower("mailbox"), name="one_appointment_per_mailbox")]

    def __str__(self) -> str:
        return f"{self.mailbox}: {self.event}"

    @property
    def due(self) -> bool:
        return self.applied_version < self.event.version


def store_content(content: Content) -> dict[str, Any]:
    """Content as JSON; times in ISO 8601."""
    times = {"start": content.start.isoformat(), "end": content.end.isoformat()}
    return {"subject": content.subject, "body": content.body, "location": content.location, **times}


def load_content(stored: dict[str, Any]) -> Content:
    """The inverse of store_content."""
    times = {name: parse_datetime(stored[name]) for name in ("start", "end")}
    return Content(**{**stored, **times})
