"""One run: start everything, let Salesforce call, let things go wrong, wait, compare."""

import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scheduler_api.demo.processes import free_port
from tests.chaos.agenda import Agenda
from tests.chaos.compare import Difference, compare
from tests.chaos.database import Database, fresh_database
from tests.chaos.exchange import Exchange
from tests.chaos.plan import EventPlan, plan_events
from tests.chaos.processes import Crew, wait_until_ready
from tests.chaos.report import Result
from tests.chaos.salesforce import Salesforce
from tests.chaos.trouble import LONGEST_DELAY, plan_troubles
from tests.chaos.world import ORGS, people, tenants, world

#: Seconds for all calls, and for the repair workers after the last one.
_TRAFFIC_LIMIT, _REPAIR_LIMIT = 1200.0, 240.0
_SAY_EVERY, _LOOK_EVERY = 5.0, 0.5
_GUNICORNS, _WORKERS = ("gunicorn-1", "gunicorn-2"), ("resync-1", "resync-2")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """Everything that has been started for a run."""

    folder: Path
    crew: Crew
    exchange: Exchange
    database: Database
    doors: Sequence[int]
    tokens: Mapping[str, str]


def run(seed: int, events: int, folder: Path, say: Say) -> Result:
    """``folder`` is for the logs. Raises RuntimeError where the run could not be brought to its end."""
    plans = plan_events(seed, events)
    calls = sum(len(plan.calls) for plan in plans)
    say(f"seed {seed}: {events} events, {calls} calls")
    with _stage(folder, say) as stage:
        salesforce = Salesforce(plans, stage.doors, stage.tokens)
        result = Result(seed, events, salesforce.account)
        troubles = plan_troubles(seed, calls, [*_GUNICORNS, *_WORKERS])
        agenda = Agenda(
            troubles, lambda: salesforce.account.begun, stage.exchange, stage.crew, stage.database
        )
        began = time.monotonic()
        _traffic(salesforce, agenda, calls, say)
        result.troubles, result.traffic = agenda.done, time.monotonic() - began
        _repair(stage, result, say)
        _compare(stage, plans, result)
        _evidence(stage, plans, result, say)
    return result


@contextmanager
def _stage(folder: Path, say: Say) -> Iterator[Stage]:
    say("making the database, starting the simulated Exchange, the service and the repair workers")
    with fresh_database(f"chaos_{os.getpid()}_{secrets.token_hex(4)}") as database, Crew() as crew:
        exchange = _start_exchange(crew, folder)
        environ = _environ(database)
        prepared = _prepare(environ, exchange, folder)
        doors = [_start_gunicorn(crew, name, environ, folder) for name in _GUNICORNS]
        for name in _WORKERS:
            crew.add(name, ["manage.py", "resync", "--loop"], environ, folder)
        for name, port in zip(_GUNICORNS, doors, strict=True):
            wait_until_ready(crew.programs[name], f"http://127.0.0.1:{port}/api/")
        yield Stage(folder, crew, exchange, database, doors, prepared)


def _start_exchange(crew: Crew, folder: Path) -> Exchange:
    port, file = free_port(0), folder / "world.json"
    file.write_text(json.dumps(world().to_dict()))
    arguments = ["manage.py", "simulate_exchange", "--port", str(port), "--world", str(file)]
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.demo"}
    program = crew.add("exchange", [*arguments, "--latency", "0.02"], {**os.environ, **settings}, folder)
    wait_until_ready(program, f"http://127.0.0.1:{port}/simulator/")
    return Exchange(f"http://127.0.0.1:{port}")


def _environ(database: Database) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "DATABASE_URL": database.url,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": base64.b64encode(os.urandom(32)).decode(),
        "WEB_CONCURRENCY": "1",
        "PROCESSES": "2",
        # Each has a connection to the database, which grants 100.
        "THREADS": "16",
        # Longer than a request can be held up here, so that what is in doubt is looked at again soon.
        "SETTLING_TIME": str(2 * LONGEST_DELAY + 4),
    }


def _prepare(environ: Mapping[str, str], exchange: Exchange, folder: Path) -> dict[str, str]:
    """Migrate, provision; an access token for each Org."""
    file = folder / "tenants.toml"
    file.write_text(tenants(exchange.url))
    command = [sys.executable, "-m", "tests.benchmarks.prepare", str(file)]
    printed = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    tokens: dict[str, str] = json.loads(printed)
    return tokens


def _start_gunicorn(crew: Crew, name: str, environ: Mapping[str, str], folder: Path) -> int:
    port = free_port(0)
    command = ["-m", "gunicorn", "config.wsgi", "-c", "config/gunicorn.py", "--bind", f"127.0.0.1:{port}"]
    crew.add(name, command, environ, folder)
    return port


def _traffic(salesforce: Salesforce, agenda: Agenda, calls: int, say: Say) -> None:
    """All calls. Raises RuntimeError where one was never answered, or there was no end to them."""
    began = said = time.monotonic()
    salesforce.start()
    agenda.start()
    try:
        while salesforce.busy and not salesforce.failures:
            time.sleep(0.1)
            now = time.monotonic()
            if now - said > _SAY_EVERY:
                said = now
                done = salesforce.account.finished
                say(f"  {now - began:.0f} s: {done} of {calls} calls, {agenda.done.total()} troubles")
            if now - began > _TRAFFIC_LIMIT:
                raise RuntimeError(f"the calls took more than {_TRAFFIC_LIMIT:.0f} s")
    finally:
        agenda.finish()
    if salesforce.failures:
        raise RuntimeError("Salesforce gave up") from salesforce.failures[0]


def _repair(stage: Stage, result: Result, say: Say) -> None:
    """Until nothing is due. Requests that the faults held up arrive within the first seconds."""
    began = said = time.monotonic()
    while (now := time.monotonic()) - began < _REPAIR_LIMIT:
        stage.crew.look_after()
        due = stage.database.unfinished()
        if not due and now - began > LONGEST_DELAY:
            result.converged = now - began
            break
        if now - said > _SAY_EVERY:
            said = now
            say(f"  {now - began:.0f} s after the last call: {due} still due")
        time.sleep(_LOOK_EVERY)
    result.parked = stage.database.parked()
    result.ended_by_themselves = stage.crew.ended_by_themselves()


def _compare(stage: Stage, plans: Sequence[EventPlan], result: Result) -> None:
    for slug in ORGS.values():
        of_org = [plan for plan in plans if plan.org == slug]
        for address in people(slug):
            result.differences += compare(address, stage.exchange.calendar(address), of_org)
    result.invitations = len(stage.exchange.invitations())


def _evidence(stage: Stage, plans: Sequence[EventPlan], result: Result, say: Say) -> None:
    """For whoever looks for the fault: what the ledger and the logs say about the Events that are wrong."""
    orgs = {plan.event: plan for plan in plans}
    for event in sorted({difference.event for difference in result.differences} - {""})[:10]:
        plan = orgs.get(event)
        if plan is None:
            continue
        say(f"\n{event}, last declared by sequence {plan.last.sequence} ({plan.last.kind}):")
        for difference in _of(event, result.differences):
            say(f"  {difference}")
        for row in stage.database.ledger(plan.org, event):
            say(f"  ledger: { {name: str(value) for name, value in row.items()} }")
        for line in _log_lines(stage.folder, event):
            say(f"  {line}")


def _of(event: str, differences: Sequence[Difference]) -> list[Difference]:
    return [difference for difference in differences if difference.event == event]


def _log_lines(folder: Path, event: str, most: int = 60) -> list[str]:
    """Every process's lines about an Event, in the order of time."""
    found = []
    for log in folder.glob("*.log"):
        lines = log.read_text(errors="replace").splitlines()
        found += [f"{line}  [{log.stem}]" for line in lines if event in line]
    return sorted(found)[-most:]
