"""Access tokens that do not come from the token endpoint."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, set_token_value
from oauth2_provider.settings import oauth2_settings

from orgs.models import Client, Person


class ClientDisabled(Exception):
    """The person's tokens from the command were switched off by disabling their client."""


@transaction.atomic
def issue_token(person: Person, *, lifetime: timedelta) -> str:
    """A new bearer token that acts as ``person``. Only its hash is stored: this is the one chance to read it.

    It belongs to a client of the person's own, whose secret nobody knows: disabling or deleting that
    client takes the person's issued tokens away. Raises ClientDisabled.
    """
    name = f"issued by command for {person.email}"
    client, _ = Client.objects.get_or_create(acts_as=person, by_command=True, defaults={"name": name})
    if not client.active:
        raise ClientDisabled(person.email)
    raw = secrets.token_urlsafe(32)
    token = get_access_token_model()(
        application=client, expires=timezone.now() + lifetime, scope=" ".join(oauth2_settings.SCOPES)
    )
    set_token_value(token, raw)
    token.save()
    return raw
