"""Does a large ledger slow a Create down, and is what is due found in it at once?"""

import subprocess
import sys
import time
from contextlib import ExitStack

from tests.benchmarks.bench import Bench
from tests.benchmarks.creating import Creator
from tests.benchmarks.measure import Contender, Report, Row, alternate, milliseconds, percentile
from tests.benchmarks.postgres import installed
from tests.benchmarks.service import Installation
from tests.benchmarks.world import MAIN, addresses
from tests.chaos.database import Database

_PER_EVENT, _SMALL, _LARGE = 5, 1_000, 1_000_000
_DUE, _SECONDS, _MOST = 1_000, 2.0, 1.2
_ROUNDS, _FINDS = 120, 5
_ORG = f"{MAIN}-graph"
_EVENTS, _APPOINTMENTS = "scheduler_api_event", "scheduler_api_appointment"


def ledger(bench: Bench) -> Report:
    """Two services side by side, their ledgers of very different sizes; then `resync` in the large one."""
    with ExitStack() as stack:
        contenders = []
        for size in (_SMALL, _LARGE):
            installation, database = stack.enter_context(installed(bench))
            service = stack.enter_context(installation.serve())
            creator = Creator(service, _ORG, addresses(MAIN, _PER_EVENT))
            stack.callback(creator.close)
            creator()  # the one that all others are made from
            fill(database, size // _PER_EVENT)
            contenders.append(Contender(f"Create, {size:,} Appointments", creator, service.cpu))
        alternate(contenders, _ROUNDS // 5 if bench.quick else _ROUNDS)
        found = _find(installation, database, 2 if bench.quick else _FINDS)
    return _report(contenders, found)


def fill(database: Database, events: int) -> None:
    """Copies of the Event that is there, with its Appointments; all of them are settled."""
    kept = _columns(database, _EVENTS, "id", "salesforce_id")
    copy = f"SELECT 'copy-' || n, {kept} FROM {_EVENTS}, generate_series(1, {events}) n"  # noqa: S608
    database.run(f"INSERT INTO {_EVENTS} (salesforce_id, {kept}) {copy}")
    kept = _columns(database, _APPOINTMENTS, "id", "event_id")
    copy = (
        f"SELECT copy.id, {kept} FROM {_APPOINTMENTS} CROSS JOIN LATERAL"  # noqa: S608
        f" (SELECT id FROM {_EVENTS} WHERE salesforce_id LIKE 'copy-%') copy"
    )
    # The foreign key need not be looked at a million times.
    database.run(
        f"SET session_replication_role = replica; INSERT INTO {_APPOINTMENTS} (event_id, {kept}) {copy}"
    )
    database.run("VACUUM ANALYZE")


def _columns(database: Database, table: str, *without: str) -> str:
    return ", ".join(f'"{name}"' for name in database.columns(table) if name not in without)


def _find(installation: Installation, database: Database, times: int) -> list[float]:
    """Seconds in which the command says what is due, its own start included."""
    some = f"SELECT id FROM {_APPOINTMENTS} ORDER BY md5(id::text) LIMIT {_DUE}"  # noqa: S608
    due = f"UPDATE {_APPOINTMENTS} SET due_at = now(), applied_version = 0 WHERE id IN ({some})"  # noqa: S608
    database.run(due)
    command = [sys.executable, "manage.py", "resync", "--dry-run"]
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        done = subprocess.run(command, env=installation.environ, stdout=subprocess.PIPE, timeout=60)
        taken.append(time.perf_counter() - began)
        if f"{_DUE} to do".encode() not in done.stdout:
            raise RuntimeError(f"exit status {done.returncode}: {done.stdout[-500:]!r}")
    return taken


def _report(contenders: list[Contender], found: list[float]) -> Report:
    small, large = (contender.row() for contender in contenders)
    assert small.p50 and large.p50
    large.ratio = large.p50 / small.p50
    large.bar, large.met = f"≤ {_MOST} times the p50 with {_SMALL:,}", large.ratio <= _MOST
    middle = percentile(found, 50)
    finding = Row(
        f"resync --dry-run, {_DUE:,} due of {_LARGE:,}",
        p50=middle * 1000,
        p95=percentile(found, 95) * 1000,
        bar=f"< {_SECONDS} s",
        met=middle < _SECONDS,
        remark="the whole command, its start included",
    )
    samples = {contender.name: contender.seconds for contender in contenders}
    return Report([small, large, finding], milliseconds({**samples, "resync --dry-run": found}))
