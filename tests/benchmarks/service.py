"""The service under measurement: gunicorn with one worker, on a database of its own, in its own processes."""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scheduler_api.demo.processes import free_port, running
from tests.benchmarks.world import APP, FLEET, MAIN, SECRET, THIRDS, addresses, service_account, tenant_id

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: So many of the main tenant's mailboxes are users of its Orgs: only users' mailboxes are written to.
WRITTEN_TO = 20


def org_slugs() -> list[str]:
    """Main on either driver; the fleet half and half; the others as their names say."""
    return [f"{MAIN}-ews", f"{MAIN}-graph", *FLEET, *THIRDS]


def tenant_of(slug: str) -> str:
    """Both Orgs of the main tenant share its calendars; every other Org has a tenant of its own."""
    return MAIN if slug.startswith(MAIN) else slug


def driver_of(slug: str) -> str:
    if slug in FLEET:
        return "ews" if FLEET.index(slug) % 2 == 0 else "graph"
    return "ews" if "-ews" in slug else "graph"


@dataclass(frozen=True)
class Service:
    """A running service. ``tokens`` has an access token for each Org."""

    port: int
    pid: int
    tokens: Mapping[str, str]

    def cpu(self) -> float:
        """Seconds of CPU that the worker has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> float:
        """Memory of the worker in MB (RSS)."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE / 1e6


@dataclass(frozen=True)
class Installation:
    """The service's database with all Orgs in it, ready to be served as often as one likes."""

    folder: Path
    environ: Mapping[str, str]
    tokens: Mapping[str, str]

    @contextmanager
    def serve(self) -> Iterator[Service]:
        """A service with a fresh worker, until the block ends."""
        port = free_port(0)
        pid_file = self.folder / f"gunicorn-{port}.pid"
        command = ["-m", "gunicorn", "config.wsgi", "-c", "config/gunicorn.py", "--workers", "1"]
        command += ["--bind", f"127.0.0.1:{port}", "--pid", str(pid_file)]
        ready = f"http://127.0.0.1:{port}/api/"
        with running(command, self.environ, ready, self.folder / f"service-{port}.log"):
            yield Service(port, _only_child(int(pid_file.read_text())), self.tokens)


def install(folder: Path, exchange: str, database: str | None = None) -> Installation:
    """Make the database for Orgs whose Exchange is at the URL ``exchange``.

    ``database`` is the URL of an empty one; without it, it is a file in ``folder``.
    """
    environ = {
        **os.environ,
        "PROCESSES": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "DATABASE_URL": database or f"sqlite:///{folder / 'service.sqlite3'}",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": base64.b64encode(os.urandom(32)).decode(),
    }
    tenants = folder / "tenants.toml"
    tenants.write_text("\n".join(_org(slug, exchange) for slug in org_slugs()))
    command = [sys.executable, "-m", "tests.benchmarks.prepare", str(tenants)]
    printed = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE).stdout
    return Installation(folder, environ, json.loads(printed))


def _org(slug: str, exchange: str) -> str:
    tenant = tenant_of(slug)
    if driver_of(slug) == "ews":
        options = {
            "endpoint": f"{exchange}/EWS/Exchange.asmx",
            "auth_type": "basic",
            "username": service_account(tenant),
            "password": SECRET,
        }
    else:
        options = {
            "tenant_id": tenant_id(tenant),
            "client_id": APP,
            "client_secret": SECRET,
            "graph_url": exchange,
            "authority_url": exchange,
        }
    lines = ["[[org]]", f'slug = "{slug}"', f'name = "{slug}"', f'backend = "{driver_of(slug)}"']
    lines += ["[org.options]", *(f'{name} = "{value}"' for name, value in options.items())]
    for address in addresses(tenant, WRITTEN_TO if tenant == MAIN else 1):
        lines += ["[[org.user]]", f'email = "{address}"', 'rights = ["updateOrganization"]']
    return "\n".join([*lines, ""])


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if len(children) != 1:
        raise RuntimeError(f"gunicorn was to have one worker and has {len(children)}")
    return int(children[0])
