"""Tenants, the people of a tenant, and the OAuth clients that act as them."""

from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Left, Lower
from oauth2_provider.models import AbstractApplication
from oauth2_provider.settings import oauth2_settings

from calendar_backends import registry
from calendar_backends.base import CalendarBackend
from calendar_backends.core.intervals import DEFAULT_BLOCKING
from orgs.fields import EncryptedJSONField
from orgs.options import replaced
from orgs.validators import (
    validate_rights,
    validate_salesforce_user_id,
    validate_slug,
    validate_statuses,
)


def backend_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in registry.names()]


def default_blocking() -> list[str]:
    return list(DEFAULT_BLOCKING)


#: Two weeks, the longest that Outlook's own list offers.
LONGEST_REMINDER = 14 * 24 * 60


class Org(models.Model):
    """A tenant: one Salesforce org and its calendars."""

    class OnUnknown(models.TextChoices):
        BLOCK = "block", "the whole window is reported unavailable"
        FREE = "free", "no time is reported unavailable"

    class ShowAs(models.TextChoices):
        BUSY = "busy", "Busy"
        TENTATIVE = "tentative", "Tentative"
        FREE = "free", "Free"

    slug = models.SlugField(
        unique=True,
        validators=[validate_slug],
        help_text="In the org's URLs and in the stamp on its calendar items: it cannot be changed later.",
    )
    name = models.CharField(max_length=200)
    backend = models.CharField("calendar backend", max_length=50, choices=backend_choices, default="graph")
    options = EncryptedJSONField(default=dict)
    #: What they were before the last switch, so that it can be undone: {"backend": str, "options": {…}}, and
    #: "newer": True where the Org went back, so that it can go forth again.
    previous = EncryptedJSONField(null=True)
    active = models.BooleanField(default=True, help_text="If not, its tokens are refused at once.")
    on_unknown = models.CharField(
        "if a calendar cannot be read",
        max_length=5,
        choices=OnUnknown.choices,
        default=OnUnknown.BLOCK,
    )
    blocking_statuses = models.JSONField(
        default=default_blocking,
        validators=[validate_statuses],
        help_text="Free/busy statuses that make a person unavailable.",
    )
    repair_json = models.BooleanField(
        "repair JSON",
        default=True,
        help_text="Accept the trailing and missing commas of the published samples.",
    )
    read_deadline = models.FloatField(
        default=8,
        validators=[MinValueValidator(1), MaxValueValidator(9.5)],
        help_text="Seconds within which Read answers. Salesforce waits for 10.",
    )
    write_deadline = models.FloatField(
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(110)],
        help_text="Seconds within which Create, Update and Delete answer. Salesforce waits for 120 at most.",
    )
    html_body = models.BooleanField(
        "HTML body",
        default=False,
        help_text="The body of an Event is HTML. If not, it is plain text, and shown as it is.",
    )
    optional_show_as = models.CharField(
        "optional attendees are shown as",
        max_length=9,
        choices=ShowAs.choices,
        default=ShowAs.BUSY,
        help_text="Salesforce may book them again at that time, but Read reports it unavailable unless it is "
        "shown as Free, or as Tentative where that status does not block.",
    )
    reminder_minutes = models.PositiveIntegerField(
        "reminder",
        null=True,
        blank=True,
        default=15,
        validators=[MaxValueValidator(LONGEST_REMINDER)],
        help_text="Minutes before the start; empty: no reminder. It is set when an Appointment is made, and "
        "belongs to the person from then on.",
    )
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["slug"]
        verbose_name = "org"

    def __str__(self) -> str:
        return self.name

    @property
    def connection(self) -> dict[str, Any]:
        """How its calendars are reached: {"backend": str, "options": {…}}."""
        return {"backend": self.backend, "options": self.options}

    def calendar(self, person: "Person | None" = None) -> CalendarBackend:
        """The driver with this Org's options, and with those that ``person`` has of its own in their place.

        Raises registry.UnknownBackend where the driver is not installed.
        """
        own = person.options if person else {}
        options = replaced(self.backend, self.options, own) if own else self.options
        return registry.connect(self.backend, options)


class Person(models.Model):
    """A Salesforce user of an Org, and the one mailbox address that is theirs.

    Stands where Django REST framework expects a user. The operators who log in to the admin are
    django.contrib.auth users, not Persons.
    """

    is_authenticated = True
    is_anonymous = False

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="people")
    email = models.EmailField("address", help_text="The mailbox's primary address, not an alias.")
    salesforce_user_id = models.CharField(
        "Salesforce user id", max_length=18, blank=True, default="", validators=[validate_salesforce_user_id]
    )
    rights = models.JSONField(default=list, blank=True, validators=[validate_rights])
    active = models.BooleanField(default=True, help_text="If not, this person's tokens are refused at once.")
    #: For Read by this person: driver options in the place of the Org's; for EWS, username and password.
    options = EncryptedJSONField(default=dict)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["org", "email"]
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(
                "org",
                Lower("email"),
                name="orgs_person_email",
                violation_error_message="This org already has a person with this address.",
            ),
            # An id of 18 characters is one of 15 with a checksum appended.
            models.UniqueConstraint(
                "org",
                Left("salesforce_user_id", 15),
                name="orgs_person_salesforce_user_id",
                condition=~models.Q(salesforce_user_id=""),
                violation_error_message="This org already has a person with this Salesforce user id.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.org.slug})"

    def may(self, right: str) -> bool:
        return right in self.rights


class Client(AbstractApplication):
    """An OAuth client: asks for tokens with the client credentials grant, and acts as one Person."""

    objects: "models.Manager[Client]" = models.Manager()

    acts_as = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    active = models.BooleanField(default=True, help_text="If not, its tokens are refused at once.")
    #: Made by the command issue_token: nobody knows its secret.
    by_command = models.BooleanField(default=False, editable=False)
    # Nothing else is served: no user is present when Salesforce calls.
    client_type = models.CharField(
        max_length=32,
        choices=AbstractApplication.CLIENT_TYPES,
        default=AbstractApplication.CLIENT_CONFIDENTIAL,
        editable=False,
    )
    authorization_grant_type = models.CharField(
        max_length=44,
        choices=AbstractApplication.GRANT_TYPES,
        default=AbstractApplication.GRANT_CLIENT_CREDENTIALS,
        editable=False,
    )

    class Meta:
        ordering = ["client_id"]
        verbose_name = "OAuth client"
        constraints = [
            models.UniqueConstraint(
                fields=["acts_as"], condition=models.Q(by_command=True), name="orgs_client_by_command"
            ),
        ]

    def set_secret(self, secret: str) -> None:
        """Store the hash of ``secret``, whatever the text looks like."""
        self.client_secret = make_password(secret, hasher=oauth2_settings.CLIENT_SECRET_HASHER)

    def has_secret(self, secret: str) -> bool:
        return check_password(secret, self.client_secret)

    def is_usable(self, request: Any) -> bool:
        """Whether it gets tokens and its tokens are taken: client, person and org are active."""
        return bool(self.active and self.acts_as.active and self.acts_as.org.active)
