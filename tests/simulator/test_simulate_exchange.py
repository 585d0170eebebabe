import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import urllib3
from django.core.management import CommandError, call_command

from calendar_backends.simulator import Simulator
from calendar_backends.simulator.demo import demo_world

DAY = date(2026, 12, 1)


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and what it printed when it was ready."""
    command = [sys.executable, "manage.py", "simulate_exchange", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, "".join(iter(process.stdout.readline, "Stop it with Ctrl-C.\n"))
    finally:
        process.kill()
        process.communicate()


def test_the_demo_has_a_tenant_for_each_face() -> None:
    world = demo_world(DAY)
    assert world.tenants["contoso"].apps["lsa-demo-app"].client_secret == "contoso-graph-secret"
    assert world.tenants["fabrikam"].accounts["service@fabrikam.example"].may_impersonate is True
    for domain in ("contoso.example", "fabrikam.example"):
        assert all(world.mailbox(f"{name}@{domain}") for name in ("admin", "anna", "ben", "chloe"))


def test_the_demos_calendars_show_every_status_on_the_day() -> None:
    items = [item for mailbox in demo_world(DAY).mailboxes() for item in mailbox.items]
    assert {item.show_as for item in items} == {"free", "tentative", "busy", "oof", "workingElsewhere"}
    assert {item.start.date() for item in items} == {DAY}
    assert any(item.is_private for item in items) and any(item.is_all_day for item in items)


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    with _running("--day", "2026-12-01") as (process, printed):
        [control] = re.findall(r"Control +(\S+)", printed)
        answer = urllib3.request("GET", f"{control}mailboxes/anna@fabrikam.example").json()
        assert answer["items"][0]["start"] == "2026-12-01T00:00:00+00:00"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_command_takes_its_world_from_a_file(tmp_path: Path) -> None:
    world = tmp_path / "world.json"
    world.write_text(
        json.dumps({"tenants": [{"slug": "adatum", "mailboxes": [{"address": "a@adatum.example"}]}]})
    )
    with _running("--world", str(world)) as (_, printed):
        assert "adatum: tenant id" in printed
        assert "no real Exchange" in printed


def test_a_port_in_use_is_explained() -> None:
    with Simulator(demo_world(DAY)) as other, pytest.raises(CommandError, match="Choose another with --port"):
        call_command("simulate_exchange", port=other.port)


@pytest.mark.parametrize(("text", "says"), [(None, "cannot be read"), ("{}", "does not describe a world")])
def test_a_bad_world_file_is_explained(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "world.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CommandError, match=says):
        call_command("simulate_exchange", world=path)
