"""The file against the database, in one transaction."""

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, transaction
from django.forms import Form

from calendar_backends import registry
from orgs.models import Client, Org, Person
from orgs.options import completed, given, options_class, secret_names, without_secrets
from orgs.provisioning.changes import Change, compare
from orgs.provisioning.document import Document, Entry, OrgEntry, ProvisioningError, unknown
from orgs.provisioning.pruning import prune_org, prune_orgs


def provision(path: Path, *, dry_run: bool = False, prune: bool = False) -> list[Change]:
    """Make orgs, users and clients what the file says; what it does not name is left alone.

    With ``prune``, orgs that the file does not name, and users and clients that its orgs do not name,
    are removed, or disabled where the ledger still refers to them. With ``dry_run`` all is undone.
    Returns what changed. Raises ProvisioningError with every mistake found, and then nothing changed.
    """
    document = Document(path)
    run = _Run(document.problems)
    with transaction.atomic():
        for entry in document.orgs:
            run.org(entry)
        if run.problems:
            raise ProvisioningError(run.problems)
        if prune:
            run.changes += [change for entry in document.orgs for change in prune_org(entry)]
            run.changes += prune_orgs(keep={entry.key for entry in document.orgs})
        transaction.set_rollback(dry_run)
    return run.changes


def with_connection(path: Path, org: Org) -> tuple[Org, list[str]]:
    """The Org with the backend and options that the file's table of this slug has; it is not saved.

    Also returns what else the file says, of which nothing is done. Raises ProvisioningError.
    """
    document = Document(path)
    run = _Run(document.problems)
    entry = next((entry for entry in document.orgs if entry.key == org.slug), None)
    if entry is None:
        raise ProvisioningError([*run.problems, f'{path}: it has no org "{org.slug}".'])
    if "backend" not in entry.given:
        run.problems.append(f"{entry.place} . backend: it is missing.")
    moved = copy(org)
    moved.backend = entry.values.get("backend", org.backend)
    run.assign_options(moved, org.connection, entry)
    if run.problems:
        raise ProvisioningError(run.problems)
    others = [f'org "{other.key}"' for other in document.orgs if other is not entry]
    return moved, [*sorted(entry.given - {"slug", "backend", "options"}), *others]


class _Run:
    """One pass over the file. Each row is saved as it is met: what follows is checked against it."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self.changes: list[Change] = []

    def org(self, entry: OrgEntry) -> None:
        org = Org.objects.select_for_update().filter(slug=entry.key).first() or Org(slug=entry.key)
        before = org.connection
        details = _assign(org, entry.values) + self.assign_options(org, before, entry)
        if org.pk and org.backend != before["backend"]:
            org.previous = before
        self._save(org, f'org "{entry.key}"', entry.place, details)
        for user in entry.users:
            self._user(org, user)
        for client in entry.clients if org.pk else []:
            self._client(org, client, {user.key.casefold() for user in entry.users})

    def assign_options(self, org: Org, before: Mapping[str, Any], entry: OrgEntry) -> list[str]:
        """Lay the file's options over the stored ones, as far as the driver's form lets them through.

        ``before``: the Org's connection until now; another driver's options are not taken over.
        """
        stored = before["options"] if org.backend == before["backend"] else {}
        try:
            options = options_class(org.backend)
        except (registry.UnknownBackend, ImportError) as error:
            self.problems.append(f"{entry.place} . backend: {error}")
            return []
        if not self._takes(options, entry) or (stored and not entry.options):
            return []
        cleaned = self._cleaned(options, entry, stored, entry.options)
        if cleaned is None:
            return []
        org.options = cleaned
        return _compare_options(options, stored, cleaned)

    def _assign_own_options(self, person: Person, entry: Entry) -> list[str]:
        """The same for a user's; "" gives one up. They are judged on top of the org's, its secrets aside."""
        org = person.org
        try:
            options = options_class(org.backend)
        except (registry.UnknownBackend, ImportError):
            return []  # reported with the org
        if not self._takes(options, entry) or not entry.options or not org.options:
            return []
        stored = person.options
        own = given(options, {**stored, **entry.options})
        beneath = without_secrets(options, org.options)
        cleaned = self._cleaned(options, entry, beneath, own) if own else {}
        if cleaned is None:
            return []
        person.options = given(options, {name: cleaned[name] for name in own})
        return _compare_options(options, stored, person.options)

    def _takes(self, options: type[Form], entry: Entry) -> bool:
        """Whether the driver knows all options of the entry, and all could be read."""
        strange = sorted(entry.options.keys() - options.base_fields.keys())
        self.problems += [
            f"{entry.place} . options.{name}: {unknown(name, set(options.base_fields))}" for name in strange
        ]
        return not strange and None not in entry.options.values()

    def _cleaned(
        self, options: type[Form], entry: Entry, *sources: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The sources, each over those before it, as the driver's form cleans them."""
        form = options(completed(options, *sources))
        self.problems += [
            f"{entry.place} . options{'' if name == NON_FIELD_ERRORS else f'.{name}'}: {message}"
            for name, messages in form.errors.items()
            for message in messages
        ]
        return form.cleaned_data if form.is_valid() else None

    def _user(self, org: Org, entry: Entry) -> None:
        found = Person.objects.filter(org=org, email__iexact=entry.key).first() if org.pk else None
        person = found or Person(org=org)
        details = _assign(person, entry.values) + self._assign_own_options(person, entry)
        self._save(person, f'user "{entry.key}" of "{org.slug}"', entry.place, details)

    def _client(self, org: Org, entry: Entry, users: set[str]) -> None:
        client = Client.objects.select_related("acts_as").filter(client_id=entry.key).first()
        if client is not None and client.acts_as.org_id != org.pk:
            self.problems.append(f"{entry.place} . client_id: another org has a client of this id.")
            return
        person = self._acting(org, client, entry, users)
        if client is None and "client_secret" not in entry.given:
            self.problems.append(f"{entry.place} . client_secret: a new client needs one.")
        if person is None:
            return
        client = client or Client(client_id=entry.key)
        details = _assign_client(client, person, entry.values)
        self._save(client, f'client "{entry.key}" of "{org.slug}"', entry.place, details)

    def _acting(self, org: Org, client: Client | None, entry: Entry, users: set[str]) -> Person | None:
        """Whom the client acts as: the file's answer, or the stored one."""
        if "acts_as" not in entry.given:
            if client is None:
                self.problems.append(f"{entry.place} . acts_as: a new client needs one.")
            return client.acts_as if client else None
        email = entry.values.get("acts_as", "")
        person = Person.objects.filter(org=org, email__iexact=email).first()
        if person is None and email and email.casefold() not in users:
            self.problems.append(f'{entry.place} . acts_as: the org has no user "{email}".')
        return person

    def _save(self, row: Org | Person | Client, what: str, place: str, details: list[str]) -> None:
        wrong = _problems(row, place)
        self.problems += wrong
        if wrong or (row.pk and not details) or (isinstance(row, Person) and not row.org.pk):
            return
        self.changes.append(Change("changed" if row.pk else "created", what, tuple(details)))
        row.save()


#: They name a new row already.
_KEYS = {"slug", "email"}


def _assign(row: models.Model, values: Mapping[str, Any]) -> list[str]:
    """Set the fields; a line for each that differs, or for each of them where the row is new."""
    old = {name: getattr(row, name) for name in values} if row.pk else {}
    for name, value in values.items():
        setattr(row, name, value)
    return compare(old, {name: value for name, value in values.items() if row.pk or name not in _KEYS})


def _compare_options(options: type[Form], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [f"options.{line}" for line in compare(old, new, secret_names(options))]


def _assign_client(client: Client, person: Person, values: Mapping[str, Any]) -> list[str]:
    old = {"acts_as": client.acts_as.email} if client.pk else {}
    details = compare(old, {"acts_as": person.email})
    client.acts_as = person
    if "client_secret" in values and not client.has_secret(values["client_secret"]):
        details.append("client_secret: changed" if client.pk else "client_secret: set")
        client.set_secret(values["client_secret"])
    return details + _assign(client, {name: values[name] for name in values.keys() & {"active"}})


def _problems(row: Org | Person | Client, place: str) -> list[str]:
    try:
        if isinstance(row, Person) and not row.org.pk:
            row.clean_fields(exclude={"org"})  # its org is wrong too and has not been saved
        else:
            row.full_clean(exclude={"backend"})  # the driver has been looked for with its options
    except ValidationError as error:
        return [
            f"{place}: {message}" if name == NON_FIELD_ERRORS else f"{place} . {name}: {message}"
            for name, messages in error.message_dict.items()
            for message in messages
        ]
    return []
