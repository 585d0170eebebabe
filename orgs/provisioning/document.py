"""The file, read and checked as far as it can be without the database."""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

#: What it is called in an error. TOML knows no null, so false says that there is none.
_NUMBER_OR_FALSE = "whole number or false"
#: The keys of each table, and what their values are called in an error.
ORG = {
    "slug": "string",
    "name": "string",
    "backend": "string",
    "on_unknown": "string",
    "active": "boolean",
    "blocking_statuses": "list of strings",
    "repair_json": "boolean",
    "read_deadline": "number",
    "write_deadline": "number",
    "html_body": "boolean",
    "optional_show_as": "string",
    "reminder_minutes": _NUMBER_OR_FALSE,
}
USER = {
    "email": "string",
    "salesforce_user_id": "string",
    "rights": "list of strings",
    "active": "boolean",
}
CLIENT = {"client_id": "string", "client_secret": "string", "acts_as": "string", "active": "boolean"}
#: The tables within each of them.
_TABLES = {"org": {"options", "user", "client"}, "user": {"options"}, "client": set[str]()}

_IS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    _NUMBER_OR_FALSE: lambda value: value is False or (isinstance(value, int) and value is not True),
    "list of strings": lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value),
}


class ProvisioningError(Exception):
    """What is wrong with the file: one line for each mistake, each with its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Entry:
    """One org, user or client: its place in the file, its slug, address or id, and its fields.

    ``given`` names all fields that the file gives, ``values`` holds those that could be read. An option
    is None where its value could not be read, which has been reported; a client has no options.
    """

    place: str
    key: str
    given: frozenset[str]
    values: Mapping[str, Any]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class OrgEntry(Entry):
    users: list[Entry]
    clients: list[Entry]


class Document:
    """The orgs of a TOML file. ``problems`` holds what is wrong with it; such parts are left out."""

    def __init__(self, path: Path) -> None:
        """Raises ProvisioningError for a file that cannot be read or is not TOML."""
        self.folder = path.parent
        self.problems: list[str] = []
        tables = _parse(path)
        self._refuse_unknown(tables, {"org"}, "the file")
        orgs = [self._org(table, place) for place, table in self._tables(tables, "org", "")]
        self.orgs = [org for org in orgs if org.key]
        self._refuse_repeated("slug", self.orgs, str)
        self._refuse_repeated("client_id", [client for org in self.orgs for client in org.clients], str)

    def _org(self, table: dict[str, Any], place: str) -> OrgEntry:
        place = _named(place, table, "slug")
        self._refuse_unknown(table, {*ORG, *_TABLES["org"]}, place)
        users = self._entries(table, "user", USER, "email", place)
        self._refuse_repeated("email", users, str.casefold)
        return OrgEntry(
            place=place,
            key=self._key(table, "slug", place),
            given=frozenset(table),
            values=self._values(table, ORG, place),
            options=self._options(table, place),
            users=users,
            clients=self._entries(table, "client", CLIENT, "client_id", place),
        )

    def _options(self, table: dict[str, Any], place: str) -> dict[str, Any]:
        options = table.get("options", {})
        if not isinstance(options, dict):
            self.problems.append(f"{place} . options: a table is expected.")
            return {}
        return {name: self._option(value, f"{place} . options.{name}") for name, value in options.items()}

    def _option(self, value: Any, place: str) -> Any:
        value = self._resolved(value, place)
        if isinstance(value, str | bool | int | float | None):
            return value
        self.problems.append(f"{place}: a string, number or boolean is expected.")
        return None

    def _entries(
        self, table: dict[str, Any], name: str, known: Mapping[str, str], key: str, place: str
    ) -> list[Entry]:
        entries = []
        for at, row in self._tables(table, name, f"{place} . "):
            here = _named(at, row, key)
            self._refuse_unknown(row, {*known, *_TABLES[name]}, here)
            found = self._key(row, key, here), frozenset(row), self._values(row, known, here)
            entries.append(Entry(here, *found, self._options(row, here)))
        return [entry for entry in entries if entry.key]

    def _tables(self, table: dict[str, Any], name: str, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        rows = table.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.problems.append(f"{prefix}{name}: write it as an array of tables, with double brackets.")
            return
        for position, row in enumerate(rows):
            yield f"{prefix}{name}[{position}]", row

    def _key(self, table: dict[str, Any], key: str, place: str) -> str:
        """What names the row; "" where that is missing or no string, which is reported."""
        value = self._resolved(table.get(key, ""), f"{place} . {key}")
        if value == "":
            self.problems.append(f"{place} . {key}: it is missing.")
        return value if isinstance(value, str) else ""

    def _values(self, table: dict[str, Any], known: Mapping[str, str], place: str) -> dict[str, Any]:
        """The known fields that are of the right type, references replaced."""
        values = {}
        for name in [name for name in known if name in table]:
            at = f"{place} . {name}"
            value = self._resolved(table[name], at)
            if value is None:
                continue  # a reference that leads nowhere has been reported
            if _IS[known[name]](value):
                values[name] = None if value is False and known[name] == _NUMBER_OR_FALSE else value
            else:
                self.problems.append(f"{at}: a {known[name]} is expected.")
        return values

    def _resolved(self, value: Any, place: str) -> Any:
        """``value``, or what {env = "NAME"} or {file = "path"} stands for; None where that fails."""
        match value:
            case {"env": str(name)} if len(value) == 1:
                return self._variable(name, place)
            case {"file": str(name)} if len(value) == 1:
                return self._content(self.folder / name, place)
            case _:
                return value

    def _variable(self, name: str, place: str) -> str | None:
        if name not in os.environ:
            self._report(f"{place}: the environment variable {name} is not set.")
        return os.environ.get(name)

    def _content(self, path: Path, place: str) -> str | None:
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            self._report(f"{place}: {path} cannot be read ({type(error).__name__}).")
            return None

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _refuse_unknown(self, table: Mapping[str, Any], known: set[str], place: str) -> None:
        self.problems += [f"{place} . {name}: {unknown(name, known)}" for name in table if name not in known]

    def _refuse_repeated(self, what: str, entries: list[Any], fold: Callable[[str], str]) -> None:
        first: dict[str, str] = {}
        for entry in entries:
            if first.setdefault(fold(entry.key), entry.place) != entry.place:
                self.problems.append(
                    f"{entry.place} . {what}: it stands in {first[fold(entry.key)]} already."
                )


def unknown(name: str, known: set[str]) -> str:
    """Why ``name`` is refused, with the known name that is nearest to it."""
    near = get_close_matches(name, known, n=1)
    return (
        f"it is not known; did you mean {near[0]}?"
        if near
        else f"it is not one of {', '.join(sorted(known))}."
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProvisioningError([f"{path} cannot be read: {error.strerror}."]) from None
    except UnicodeDecodeError:
        raise ProvisioningError([f"{path} is not UTF-8."]) from None
    except tomllib.TOMLDecodeError as error:
        raise ProvisioningError([f"{path} is not TOML: {error}."]) from None


def _named(place: str, table: Mapping[str, Any], key: str) -> str:
    return f'{place} "{table[key]}"' if isinstance(table.get(key), str) else place
