"""The service's installation on PostgreSQL, where writes are measured."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.service import Installation, install
from tests.chaos.database import Database, fresh_database


@contextmanager
def installed(bench: Bench) -> Iterator[tuple[Installation, Database]]:
    """On a database of its own, that is dropped when the block ends."""
    name = f"benchmark_{os.getpid()}_{secrets.token_hex(4)}"
    with fresh_database(name) as database, tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        yield install(Path(folder), bench.exchange, database.url), database
