"""make demo: everything at once on this machine, with a simulated Exchange and throw-away data."""

import os
import secrets
import shutil
import signal
import threading
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from scheduler_api.demo.processes import free_port, running
from scheduler_api.demo.tour import Tour

#: As config/demo.toml has it.
SIMULATOR_PORT = 8081
SERVICE_PORT = 8000
#: The simulated Exchange knows these two; Salesforce's client secrets are made anew at every start.
EXCHANGE_SECRETS = {
    "CONTOSO_GRAPH_SECRET": "contoso-graph-secret",
    "FABRIKAM_EWS_PASSWORD": "fabrikam-ews-password",
}


class Command(BaseCommand):
    help = (
        "Start a simulated Exchange and the service, sign in as Salesforce would, and make the four calls "
        "for two tenants: contoso (Microsoft Graph) and fabrikam (EWS). Needs the demo settings: make demo."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="End after the calls; 0 if every answer was right."
        )
        parser.add_argument("--port", type=int, default=SERVICE_PORT, help="Of the service (8000).")
        parser.add_argument(
            "--simulator-port", type=int, default=SIMULATOR_PORT, help="Of the Exchange (8081)."
        )

    def handle(self, *, once: bool, port: int, simulator_port: int, **_: Any) -> None:
        folder: Path | None = getattr(settings, "DEMO_FOLDER", None)
        if folder is None:
            raise CommandError("Run it with DJANGO_SETTINGS_MODULE=config.settings.demo, or as make demo.")
        signal.signal(signal.SIGTERM, _interrupt)
        ports = free_port(port), free_port(simulator_port)
        try:
            self._run(folder, *(f"http://127.0.0.1:{number}" for number in ports), once=once)
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")
        except RuntimeError as error:
            raise CommandError(str(error)) from error

    def _run(self, folder: Path, service: str, exchange: str, *, once: bool) -> None:
        day = datetime.now(UTC).date() + timedelta(days=1)
        client_secrets = {slug: secrets.token_urlsafe(32) for slug in ("contoso", "fabrikam")}
        password = self._prepare(folder, exchange, client_secrets)
        with ExitStack() as stack:
            self._start(stack, folder, service, exchange, day)
            tours = [
                Tour(service, exchange, slug, secret, day, self.stdout.write)
                for slug, secret in client_secrets.items()
            ]
            for tour in tours:
                self.stdout.write(self.style.MIGRATE_HEADING(f"\n== {tour.slug} " + "=" * 60))
                tour.run()
            self._conclude(tours)
            if not once:
                self._invite(service, exchange, password, tours)
                threading.Event().wait()

    def _prepare(self, folder: Path, exchange: str, client_secrets: dict[str, str]) -> str:
        """A fresh database with the tenants of config/demo.toml; the admin's password."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        call_command("migrate", verbosity=0)
        os.environ.update(EXCHANGE_SECRETS)
        os.environ.update({f"{slug.upper()}_CLIENT_SECRET": text for slug, text in client_secrets.items()})
        tenants = folder / "tenants.toml"
        text = (settings.BASE_DIR / "config" / "demo.toml").read_text()
        tenants.write_text(text.replace(f"http://127.0.0.1:{SIMULATOR_PORT}", exchange))
        with (folder / "provision.log").open("w") as output:
            call_command("provision", str(tenants), stdout=output)
        self.stdout.write("Made the tenants of config/demo.toml (manage.py provision).")
        password = secrets.token_urlsafe(9)
        get_user_model()._default_manager.create_superuser("admin", "", password)
        return password

    def _start(self, stack: ExitStack, folder: Path, service: str, exchange: str, day: date) -> None:
        environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.demo"}
        port = exchange.rpartition(":")[2]
        simulate = [
            str(settings.BASE_DIR / "manage.py"),
            "simulate_exchange",
            "--port",
            port,
            "--day",
            str(day),
        ]
        serve = ["-m", "gunicorn", "config.wsgi", "-c", "config/gunicorn.py", "--workers", "2"]
        serve += ["--bind", service.removeprefix("http://")]
        self.stdout.write(f"Simulated Exchange on {exchange}, service on {service}; logs in {folder.name}/")
        stack.enter_context(running(simulate, environ, f"{exchange}/simulator/", folder / "exchange.log"))
        stack.enter_context(running(serve, environ, f"{service}/api/schema/", folder / "service.log"))

    def _conclude(self, tours: list[Tour]) -> None:
        wrong = [line for tour in tours for line in tour.wrong]
        if wrong:
            raise CommandError("\n".join(["Not every answer was right:", *wrong]))
        self.stdout.write(self.style.SUCCESS("\nEvery answer was right, over Graph and over EWS."))

    def _invite(self, service: str, exchange: str, password: str, tours: list[Tour]) -> None:
        self.stdout.write(f"\nThe service: {service}/  its admin: {service}/admin/  login admin / {password}")
        self.stdout.write(
            f"The API, browsable: {service}/api/docs/  the calendars: {exchange}/simulator/mailboxes"
        )
        for tour in tours:
            self.stdout.write(f"\nRead, Create, Update and Delete for {tour.slug}; paste any line:")
            for line in tour.curl_lines():
                self.stdout.write(f"\n{line}")
        self.stdout.write("\nCtrl-C ends it.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
