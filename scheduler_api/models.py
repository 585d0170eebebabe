"""The ledger: what Salesforce declared, and what each mailbox is known to hold."""

from functools import lru_cache
from typing import Any

from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.dateparse import parse_datetime

from calendar_backends.base import Content
from calendar_backends.core.appointments import stamp_of
from orgs.fields import EncryptedJSONField
from orgs.models import Org


class Event(models.Model):
    """An Event of Salesforce, as it was declared last."""

    org = models.ForeignKey(Org, on_delete=models.PROTECT, related_name="events")
    salesforce_id = models.CharField("Salesforce id", max_length=255)
    #: subject, body, location, start and end; null once the Event is cancelled, or forgotten (purge).
    content = EncryptedJSONField(null=True)
    #: When the content ends, so that it can be forgotten some time later.
    ends = models.DateTimeField(null=True, editable=False)
    cancelled = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0, help_text="Counts the declarations.")
    sequence = models.BigIntegerField(
        null=True, editable=False, help_text="The caller's number of the last declaration, if it gave one."
    )
    declared = models.DateTimeField(null=True, editable=False, help_text="When Salesforce last spoke of it.")
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "salesforce_id"], name="one_event_per_id")]
        indexes = [
            models.Index(fields=["ends"], condition=models.Q(ends__isnull=False), name="event_ends"),
            models.Index(fields=["declared"], condition=models.Q(cancelled=True), name="event_tombstones"),
        ]

    def __str__(self) -> str:
        return self.salesforce_id

    @property
    def stamp(self) -> str:
        """The value of the property that marks this Event's Appointments in their mailboxes."""
        return stamp_of(self.org.slug, self.salesforce_id)

    @property
    def forgotten(self) -> bool:
        """Whether its content was purged: what the calendars hold of it stays as it is."""
        return self.content is None and not self.cancelled


class AppointmentQuerySet(models.QuerySet["Appointment"]):
    """By state. The states are drawn in docs/down-sync.md."""

    def due(self) -> "AppointmentQuerySet":
        """To be worked on now; that includes those whose worker died (their lease has run out)."""
        return self.filter(due_at__lte=Now())

    def in_work(self) -> "AppointmentQuerySet":
        return self.filter(due_at__gt=Now(), lease__isnull=False)

    def waiting(self) -> "AppointmentQuerySet":
        """To be tried again, or looked at once more, later."""
        return self.filter(due_at__gt=Now(), lease__isnull=True)

    def parked(self) -> "AppointmentQuerySet":
        """Tried often enough: left alone until a command or the next declaration revives it."""
        return self.behind().filter(due_at__isnull=True, attempts__gt=0)

    def behind(self) -> "AppointmentQuerySet":
        """Those whose mailbox is not known to agree with what was declared last."""
        return self.filter(applied_version__lt=models.F("version"))

    def unfinished(self) -> "AppointmentQuerySet":
        """Everything but the settled and the parked."""
        return self.filter(due_at__isnull=False)


class Appointment(models.Model):
    """What one mailbox should hold for an Event (wanted or not), and what it is known to hold."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="appointments")
    mailbox = models.CharField(max_length=254)
    wanted = models.BooleanField()
    optional = models.BooleanField(default=False, help_text="This person need not come.")
    #: The Event's version, and the one that this mailbox agrees with; where that is behind, something is due.
    version = models.PositiveIntegerField(default=0)
    applied_version = models.PositiveIntegerField(default=0)
    #: Which fields of the content (calendar_backends FIELDS) differ from that version; empty: perhaps all.
    differing = models.JSONField(default=list, editable=False)
    #: The driver's name for the item, and the driver that gave it. A cache: the stamp is what counts.
    item_ref = models.TextField(null=True, editable=False)  # noqa: DJ001  null means that nothing is known
    backend = models.CharField(max_length=100, blank=True)
    error_code = models.CharField(max_length=100, blank=True, help_text="Of the last try.")
    attempts = models.PositiveIntegerField(default=0, help_text="Failed tries since the last success.")
    #: When a worker should look at it: null where nothing is to be done, or it is parked. While ``lease`` is
    #: set one is at work, and this is when its lease runs out.
    due_at = models.DateTimeField(null=True, editable=False)
    lease = models.UUIDField(null=True, editable=False)
    #: Until when a request whose outcome is not known may still be carried out: look before you create, and
    #: look once more afterwards.
    doubtful_until = models.DateTimeField(null=True, editable=False)
    modified = models.DateTimeField(auto_now=True)

    objects = AppointmentQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("event", Lower("mailbox"), name="one_appointment_per_mailbox")]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="appointment_due"),
            models.Index(
                fields=["event"],
                condition=models.Q(due_at__isnull=True, attempts__gt=0),
                name="appointment_parked",
            ),
            models.Index(Lower("mailbox"), name="appointment_mailbox"),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox}: {self.event}"

    @property
    def behind(self) -> bool:
        """Whether the mailbox is not known to agree with what was declared last."""
        return self.applied_version < self.version


def store_content(content: Content) -> dict[str, Any]:
    """Content as JSON; times in ISO 8601. How it is shown and the reminder are each Appointment's."""
    times = {"start": content.start.isoformat(), "end": content.end.isoformat()}
    texts = {"subject": content.subject, "body": content.body, "location": content.location}
    return {**texts, **times, "html": content.html}


def load_content(stored: dict[str, Any]) -> Content:
    """The inverse of store_content."""
    return _content(**stored)


@lru_cache(maxsize=64)
def _content(**stored: Any) -> Content:
    """Kept, because all the mailboxes of an Event are to hold the same."""
    times = {name: parse_datetime(stored[name]) for name in ("start", "end")}
    return Content(**{**stored, **times})
