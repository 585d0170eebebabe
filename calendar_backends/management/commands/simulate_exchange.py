"""simulate_exchange: run the simulated Exchange until it is stopped."""

from __future__ import annotations

import json
import signal
import threading
from argparse import ArgumentParser
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calendar_backends.simulator import Simulator, World
from calendar_backends.simulator.demo import demo_world

DEFAULT_PORT = 8081


class Command(BaseCommand):
    help = "Run a simulated Exchange (EWS and Microsoft Graph) on 127.0.0.1. It is no real Exchange."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1; 0 takes a free one"
        )
        parser.add_argument(
            "--latency", type=float, default=0.0, help="seconds added to each Exchange request"
        )
        parser.add_argument(
            "--world", type=Path, help="JSON file with the tenants; default: those of the demo"
        )
        parser.add_argument(
            "--day", type=date.fromisoformat, help="the demo's day, YYYY-MM-DD; default: tomorrow"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        day = options["day"] or datetime.now(UTC).date() + timedelta(days=1)
        world = _load(options["world"]) if options["world"] else demo_world(day)
        exchange = Simulator(world, port=options["port"], latency=options["latency"])
        stop = _stopped_by_signals()
        try:
            exchange.start()
        except OSError as error:
            reason = f"Port {options['port']} on 127.0.0.1 cannot be used: {error.strerror}."
            raise CommandError(f"{reason} Choose another with --port.") from error
        try:
            self.stdout.write(_welcome(exchange))
            self.stdout.flush()
            stop.wait()
        finally:
            exchange.stop()


def _load(path: Path) -> World:
    try:
        return World.from_dict(json.loads(path.read_text()))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(f"{path} does not describe a world: {error!r}.") from error


def _stopped_by_signals() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set. Only the main thread can listen to signals."""
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
    return stop


def _welcome(exchange: Simulator) -> str:
    lines = [
        "Simulated Exchange. This is no real Exchange: it keeps nothing when it stops.",
        f"  EWS      {exchange.ews_url}",
        f"  Graph    {exchange.url}/v1.0 (sign-in at {exchange.url})",
        f"  Control  {exchange.url}/simulator/",
    ]
    for tenant in exchange.world.tenants.values():
        lines.append(f"  {tenant.slug}: tenant id {tenant.tenant_id}, {len(tenant.mailboxes)} mailboxes")
        lines += [f"    EWS account {a.username} / {a.password}" for a in tenant.accounts.values()]
        lines += [f"    Graph app {a.client_id} / {a.client_secret}" for a in tenant.apps.values()]
    return "\n".join([*lines, "Stop it with Ctrl-C."])
