"""A PostgreSQL database for one run, and what the ledger in it says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

_SERVER = "postgres://postgres@127.0.0.1:5432/postgres"


@dataclass(frozen=True)
class Database:
    """``url`` as DATABASE_URL wants it."""

    url: str

    def unfinished(self) -> int:
        """Appointments that somebody still has to look at, now or later."""
        query = "SELECT count(*) AS n FROM scheduler_api_appointment WHERE due_at IS NOT NULL"
        return int(self._rows(query)[0]["n"])

    def parked(self) -> int:
        """Appointments that were given up."""
        query = (
            "SELECT count(*) AS n FROM scheduler_api_appointment a JOIN scheduler_api_event e"
            " ON e.id = a.event_id WHERE a.due_at IS NULL AND a.applied_version < e.version"
        )
        return int(self._rows(query)[0]["n"])

    def ledger(self, org: str, event: str) -> list[dict[str, Any]]:
        """Everything but the content about an Event: first itself, then its Appointments."""
        of_event = (
            "SELECT e.* FROM scheduler_api_event e JOIN orgs_org o ON o.id = e.org_id"
            " WHERE o.slug = %s AND e.salesforce_id = %s"
        )
        events = self._rows(of_event, org, event)
        rows = [
            row
            for found in events
            for row in self._rows(
                "SELECT * FROM scheduler_api_appointment WHERE event_id = %s ORDER BY mailbox", found["id"]
            )
        ]
        return [{name: row[name] for name in row if name != "content"} for row in [*events, *rows]]

    def columns(self, table: str) -> list[str]:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        return [row["column_name"] for row in self._rows(query, table)]

    def run(self, statements: str) -> None:
        """SQL that gives nothing back."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statements.encode())

    def cut(self) -> int:
        """End every connection to it, as a restart of the server would; how many there were."""
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(self._rows(query))

    def _rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()


@contextmanager
def fresh_database(name: str) -> Iterator[Database]:
    """An empty database that is dropped when the block ends.

    On the server of TEST_DATABASE_URL, or else on this machine's.
    """
    server = os.environ.get("TEST_DATABASE_URL", _SERVER)
    if not server.startswith("postgres"):
        server = _SERVER
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield Database(urlsplit(server)._replace(path=f"/{name}").geturl())
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
