"""What the file does not name, removed."""

from collections.abc import Collection, Iterator

from django.db import transaction
from django.db.models import ProtectedError

from orgs.models import Client, Org, Person
from orgs.provisioning.changes import Change
from orgs.provisioning.document import OrgEntry


def prune_org(entry: OrgEntry) -> Iterator[Change]:
    """Remove the org's clients and users that the file does not name.

    A user that a named client acts as stays. Clients made by issue_token share their user's fate.
    """
    clients = Client.objects.filter(acts_as__org__slug=entry.key)
    for client in clients.filter(by_command=False).exclude(client_id__in=[c.key for c in entry.clients]):
        client.delete()
        yield Change("removed", f'client "{client.client_id}" of "{entry.key}"')
    needed = set(clients.filter(by_command=False).values_list("acts_as_id", flat=True))
    named = {user.key.casefold() for user in entry.users}
    for person in Person.objects.filter(org__slug=entry.key).exclude(pk__in=needed):
        if person.email.casefold() not in named:
            clients.filter(acts_as=person).delete()
            person.delete()
            yield Change("removed", f'user "{person.email}" of "{entry.key}"')


def prune_orgs(keep: Collection[str]) -> Iterator[Change]:
    """Remove the orgs that are not to be kept; one that the ledger refers to is disabled instead."""
    for org in Org.objects.exclude(slug__in=keep):
        what = f'org "{org.slug}"'
        if _removed(org):
            yield Change("removed", what)
        elif org.active:
            org.active = False
            org.save()
            yield Change("disabled", what, ("it has events in the ledger, so it was not removed",))


def _removed(org: Org) -> bool:
    try:
        with transaction.atomic():
            Client.objects.filter(acts_as__org=org).delete()
            org.delete()
    except ProtectedError:
        return False
    return True
