"""manage.py switch_backend: what one driver wrote, the other finds, and nothing is there twice."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Item
from orgs.models import Org, Person
from scheduler_api.management.commands import switch_backend
from scheduler_api.models import Appointment
from scheduler_api.switching import rehearse
from tests.conftest import Salesforce, event, held, options_for
from tests.scheduler_api.calls import ANNA, CARL, LEFT, OK, TEST, delete, update

SECRETS = {"client_secret": "GRAPH_SECRET", "password": "EWS_PASSWORD"}
OTHER = {"ews": "graph", "graph": "ews"}


def document(org: Org, exchange: Simulator, **replaced: str) -> str:
    """The file that moves the Org to the other driver."""
    options = {**options_for(OTHER[org.backend], exchange), **replaced}
    lines = ["[[org]]", 'slug = "contoso"', f'backend = "{OTHER[org.backend]}"', "[org.options]"]
    for name, value in options.items():
        lines.append(
            f'{name} = {{ env = "{SECRETS[name]}" }}' if value and name in SECRETS else f'{name} = "{value}"'
        )
    return "\n".join(lines)


@pytest.fixture
def file(org: Org, exchange: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPH_SECRET", "app-secret")
    monkeypatch.setenv("EWS_PASSWORD", "service-password")
    path = tmp_path / "contoso.toml"
    path.write_text(document(org, exchange))
    return path


def run(*arguments: Any) -> tuple[int, list[str]]:
    """The exit status and the lines."""
    out = StringIO()
    try:
        call_command("switch_backend", "contoso", *map(str, arguments), stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def refused(*arguments: Any) -> str:
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    return str(refusal.value)


def state() -> list[Any]:
    """All that a switch may change in the database."""
    rows = Appointment.objects.order_by("pk").values_list("item_ref", "backend", "due_at", "applied_version")
    org = Org.objects.get()
    return [org.backend, org.options, org.previous, *rows]


def change(**changes: Any) -> dict[str, Any]:
    return update(event(ANNA), event(ANNA, **changes))


def empty(exchange: Simulator, address: str) -> None:
    mailbox = exchange.world.mailbox(address)
    assert mailbox
    mailbox.items.clear()


def only_item(exchange: Simulator, address: str) -> Item:
    [item] = held(exchange, address)
    return item


@pytest.fixture
def booked(salesforce: Salesforce) -> None:
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}


@pytest.mark.usefixtures("booked")
def test_a_switch_finds_every_appointment_where_it_is(org: Org, exchange: Simulator, file: Path) -> None:
    before = {address: only_item(exchange, address).id for address in (TEST, ANNA)}
    status, said = run(file)
    assert status == 0
    new = OTHER[org.backend]
    assert said[0] == f"1. contoso: from {org.backend} to {new}."
    assert "   2 compared, 2 agree; 0 unfinished." in said
    assert "4. Switched. switch_backend contoso --back undoes it." in said
    assert said[-1] == f"contoso uses {new}, and every Appointment agrees."
    stored = Org.objects.get()
    assert (stored.backend, stored.options) == (new, options_for(new, exchange))
    assert {address: only_item(exchange, address).id for address in (TEST, ANNA)} == before


@pytest.mark.usefixtures("booked")
def test_after_a_switch_a_write_costs_one_round_trip_again(
    org: Org, exchange: Simulator, salesforce: Salesforce, file: Path
) -> None:
    run(file)
    exchange.reset()
    assert salesforce.write("PUT", change(subject="Moved")) == {TEST: OK, ANNA: OK}
    assert exchange.round_trips() == {"ews": 2, "graph": 1}[OTHER[org.backend]]
    exchange.reset()
    assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert exchange.round_trips() == {"ews": 2, "graph": 1}[OTHER[org.backend]]
    assert held(exchange, TEST) == held(exchange, ANNA) == []


@pytest.mark.usefixtures("booked")
def test_a_switch_there_and_back_and_there_leaves_one_of_each(
    org: Org, exchange: Simulator, salesforce: Salesforce, file: Path
) -> None:
    for number, way in enumerate((file, "--back", "--forth", "--back")):
        assert run(way)[0] == 0
        assert Org.objects.get().backend == (OTHER[org.backend] if number % 2 == 0 else org.backend)
        assert salesforce.write("PUT", change(subject=f"Number {number}")) == {TEST: OK, ANNA: OK}
        for address in (TEST, ANNA):
            assert only_item(exchange, address).subject == f"Number {number}"
    assert Org.objects.get().options == org.options


@pytest.mark.usefixtures("booked")
def test_a_dry_run_changes_nothing(file: Path) -> None:
    before = state()
    status, said = run(file, "--dry-run")
    assert (status, said[-1]) == (0, "Nothing was changed.")
    assert state() == before


@pytest.mark.usefixtures("booked")
def test_a_dry_run_tells_what_would_be_written_anew(exchange: Simulator, file: Path) -> None:
    only_item(exchange, ANNA).subject = "Edited"
    empty(exchange, TEST)
    before = state()
    status, said = run(file, "--dry-run")
    assert status == LEFT
    assert [line.split(maxsplit=2)[1:] for line in said if line.startswith("   event-1")] == [
        [ANNA, "changed: subject"],
        [TEST, "missing"],
    ]
    assert "   2 compared, 0 agree, 1 changed, 1 missing; 0 unfinished." in said
    assert state() == before


@pytest.mark.usefixtures("booked")
def test_a_switch_repairs_what_differs(exchange: Simulator, file: Path) -> None:
    only_item(exchange, ANNA).subject = "Edited"
    empty(exchange, TEST)
    assert run(file)[0] == 0
    assert only_item(exchange, ANNA).subject == only_item(exchange, TEST).subject == "Advice"


@pytest.mark.usefixtures("booked")
def test_a_switch_finishes_what_the_former_driver_could_not(
    org: Org, exchange: Simulator, salesforce: Salesforce, file: Path
) -> None:
    exchange.faults.add(Fault("status", operation=f"{org.backend}.*", mailbox=ANNA, code=404))
    assert salesforce.write("PUT", change(subject="Moved"))[ANNA] != OK
    exchange.faults.clear()
    assert run(file)[0] == 0
    assert only_item(exchange, ANNA).subject == "Moved"


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_a_connection_that_does_not_work_is_not_switched_to(
    monkeypatch: pytest.MonkeyPatch, file: Path, arguments: tuple[str, ...]
) -> None:
    for name in SECRETS.values():
        monkeypatch.setenv(name, "wrong")
    before = state()
    assert "checks failed. Nothing was changed." in refused(file, *arguments)
    assert state() == before


@pytest.mark.usefixtures("booked")
def test_a_switch_can_be_forced_and_says_what_is_left(
    org: Org, exchange: Simulator, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    for name in SECRETS.values():
        monkeypatch.setenv(name, "wrong")
    status, said = run(file, "--force")
    assert status == LEFT
    assert "   2 compared, 0 agree, 2 cannot be read; 0 unfinished." in said
    assert "Something is left" in said[-1]
    assert Org.objects.get().backend == OTHER[org.backend]
    assert run("--back")[0] == 0
    assert len(held(exchange, ANNA)) == 1


@pytest.mark.usefixtures("booked")
def test_an_exchange_that_has_none_of_the_appointments_is_not_switched_to(
    exchange: Simulator, file: Path
) -> None:
    for address in (TEST, ANNA):
        empty(exchange, address)
    before = state()
    assert "Not one Appointment is there" in refused(file)
    assert state() == before
    assert run(file, "--force")[0] == 0
    assert len(held(exchange, TEST)) == len(held(exchange, ANNA)) == 1


def test_the_check_may_name_a_mailbox(file: Path) -> None:
    assert "checks failed" in refused(file, "--mailbox=nobody@contoso.com")
    assert run(file, f"--mailbox={CARL}")[0] == 0


def test_without_active_people_somebody_is_to_be_named(file: Path) -> None:
    Person.objects.update(active=False)
    assert "name a mailbox" in refused(file)
    assert run(file, f"--mailbox={CARL}")[0] == 0


# --- what it refuses


def test_what_is_wrong_with_the_file_is_said(org: Org, exchange: Simulator, file: Path) -> None:
    before = state()
    file.write_text(document(org, exchange).replace("backend", "backnd") + '\nendpont = "x"')
    said = refused(file)
    assert 'org[0] "contoso" . backnd: it is not known; did you mean backend?' in said
    assert 'org[0] "contoso" . backend: it is missing.' in said
    assert "options.endpont" in said
    assert state() == before


def test_an_option_that_is_missing_is_named(org: Org, exchange: Simulator, file: Path) -> None:
    file.write_text(document(org, exchange).partition("[org.options]")[0])
    assert {"ews": "options.endpoint", "graph": "options.tenant_id"}[OTHER[org.backend]] in refused(file)


def test_a_secret_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, org: Org, file: Path) -> None:
    name = {"ews": "EWS_PASSWORD", "graph": "GRAPH_SECRET"}[OTHER[org.backend]]
    monkeypatch.delenv(name)
    assert f"the environment variable {name} is not set" in refused(file)


def test_a_file_for_another_org_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace('"contoso"', '"fabrikam"'))
    assert 'it has no org "contoso"' in refused(file)


def test_what_else_the_file_says_is_not_done_and_named(org: Org, exchange: Simulator, file: Path) -> None:
    users = '\n[[org.user]]\nemail = "new@contoso.com"\n[[org]]\nslug = "fabrikam"'
    text = document(org, exchange).replace("[org.options]", 'name = "Another"\n[org.options]')
    file.write_text(text + users)
    _, said = run(file)
    assert said[1] == '   Of the file this is not used: name, user, org "fabrikam".'
    assert Org.objects.get().name == "Contoso"
    assert not Person.objects.filter(email="new@contoso.com").exists()


@pytest.mark.parametrize("way", ["--back", "--forth"])
def test_who_never_moved_cannot_go_back(org: Org, way: str) -> None:
    assert refused(way) == 'The org "contoso" was never switched.'


def test_an_org_that_is_not_there_or_not_active_is_refused(org: Org, file: Path) -> None:
    org.active = False
    org.save()
    assert refused(file) == 'The org "contoso" is not active.'
    with pytest.raises(CommandError, match='There is no org "fabrikam"'):
        call_command("switch_backend", "fabrikam", str(file))


def test_one_way_is_to_be_named(org: Org, file: Path) -> None:
    for arguments in ((), (file, "--back"), ("--back", "--forth")):
        refused(*arguments)


def test_an_org_that_somebody_else_changes_meanwhile_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    def rehearse_while_it_is_changed(*arguments: Any) -> Any:
        Org.objects.update(options={"of": "somebody else"})
        return rehearse(*arguments)

    monkeypatch.setattr(switch_backend, "rehearse", rehearse_while_it_is_changed)
    assert "was changed meanwhile" in refused(file)
    assert Org.objects.get().options == {"of": "somebody else"}


# --- interrupted, and run again


@pytest.mark.usefixtures("booked")
def test_interrupted_before_the_switch_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    before = state()
    monkeypatch.setattr(switch_backend, "rehearse", interrupt)
    assert refused(file) == "Interrupted. Nothing was changed."
    assert state() == before


@pytest.mark.usefixtures("booked")
def test_interrupted_after_the_switch_the_same_command_goes_on(
    org: Org, exchange: Simulator, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    ways: Sequence[Any] = (file, "--back", "--forth", "--back")
    for number, way in enumerate(ways):
        only_item(exchange, ANNA).subject = "Edited"
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(switch_backend, "call_command", interrupt)
            run(way)
        status, said = run(way)
        assert status == 0
        assert said[0].endswith("It is so already: what may be left is done.")
        assert "4. Switched before." in said
        assert Org.objects.get().backend == (org.backend if number % 2 else OTHER[org.backend])
        assert only_item(exchange, ANNA).subject == "Advice"


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_what_an_org_left_is_kept(org: Org, file: Path) -> None:
    run(file)
    assert Org.objects.get().previous == {**org.connection, "newer": False}
    run(file)
    assert Org.objects.get().previous == {**org.connection, "newer": False}
