"""manage.py purge: what is long over is forgotten, and nothing that is still to be done."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from calendar_backends.simulator import Simulator
from orgs.models import Org
from scheduler_api import purging
from scheduler_api.models import Appointment, Event
from scheduler_api.purging import Purge
from tests.conftest import PEOPLE, Salesforce, event, held

TEST, ORGANIZER, ANNA, CARL = PEOPLE
NOTHING = (
    "all: contents removed: 0, unfinished Appointments given up: 0, tombstones deleted: 0, tombstones kept "
    "because something is unfinished: 0, Events in work and left for the next time: 0"
)


def purge(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("purge", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def contoso(db: None) -> Org:
    return Org.objects.create(slug="contoso", name="Contoso", backend="ews")


@pytest.fixture
def contoso_and_fabrikam(contoso: Org) -> tuple[Org, Org]:
    return contoso, Org.objects.create(slug="fabrikam", name="Fabrikam", backend="ews")


def ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def ended(org: Org, days: float = 91, name: str = "event-1", **row: Any) -> Event:
    """An Event that was over so many days ago, with one Appointment that is settled."""
    content = {"subject": "Divorce", "body": "of the Smiths", "location": "Chambers", "html": False}
    times = {"start": ago(days).isoformat(), "end": ago(days).isoformat()}
    made = Event.objects.create(
        org=org, salesforce_id=name, version=3, content={**content, **times}, ends=ago(days)
    )
    Appointment.objects.create(
        event=made,
        **{"mailbox": TEST, "wanted": True, "version": 3, "applied_version": 3, "item_ref": "AAA", **row},
    )
    return made


def cancelled(org: Org, days: float = 31, name: str = "event-1", **row: Any) -> Event:
    """An Event that was cancelled so many days ago, with one Appointment that was taken away."""
    made = Event.objects.create(
        org=org, salesforce_id=name, version=3, cancelled=True, declared=ago(days), sequence=7
    )
    Appointment.objects.create(
        event=made, **{"mailbox": TEST, "wanted": False, "version": 3, "applied_version": 3, **row}
    )
    return made


UNFINISHED: dict[str, dict[str, Any]] = {
    "due": {"applied_version": 2, "due_at": ago(1)},
    "waiting": {"applied_version": 2, "due_at": ago(-1), "attempts": 4},
    "its worker died": {"applied_version": 2, "due_at": ago(1), "lease": uuid.uuid4()},
    "looked at again": {"due_at": ago(-1), "doubtful_until": ago(-1)},
    "parked": {"applied_version": 2, "attempts": 16},
}
IN_WORK = {"applied_version": 2, "due_at": ago(-1), "lease": uuid.uuid4()}


def test_the_content_of_what_ended_long_ago_is_removed(contoso: Org) -> None:
    old, recent = ended(contoso), ended(contoso, days=89, name="event-2")
    assert purge()[0] == "contoso: contents removed: 1"
    old.refresh_from_db()
    recent.refresh_from_db()
    assert (old.content, old.ends, old.forgotten) == (None, None, True)
    assert recent.content is not None
    assert old.appointments.get().item_ref == "AAA"
    assert purge() == [NOTHING]


@pytest.mark.parametrize("state", UNFINISHED)
def test_what_is_unfinished_of_it_is_given_up(contoso: Org, state: str) -> None:
    row = ended(contoso, **UNFINISHED[state], differing=["subject"]).appointments.get()
    assert purge()[0] == "contoso: contents removed: 1, unfinished Appointments given up: 1"
    row.refresh_from_db()
    assert (row.due_at, row.lease, row.doubtful_until, row.applied_version) == (None, None, None, 3)
    assert (row.differing, row.attempts) == ([], 0)
    assert not Appointment.objects.parked().exists()


@pytest.mark.parametrize("state", UNFINISHED)
def test_what_a_mailbox_should_not_hold_is_still_taken_away(contoso: Org, state: str) -> None:
    row = ended(contoso, **UNFINISHED[state], wanted=False).appointments.get()
    before = Appointment.objects.values().get()
    assert purge()[0] == "contoso: contents removed: 1"
    assert Appointment.objects.values().get(pk=row.pk) == before


def test_what_somebody_works_on_is_left_for_the_next_time(contoso: Org) -> None:
    busy = [ended(contoso, **IN_WORK), cancelled(contoso, name="event-2", **IN_WORK)]
    before = [*Event.objects.values().order_by("pk"), *Appointment.objects.values().order_by("pk")]
    assert purge()[0] == "contoso: Events in work and left for the next time: 2"
    assert [*Event.objects.values().order_by("pk"), *Appointment.objects.values().order_by("pk")] == before
    Appointment.objects.update(due_at=None, lease=None, applied_version=3)
    assert purge()[0] == "contoso: contents removed: 1, tombstones deleted: 1"
    assert not Event.objects.filter(pk=busy[1].pk).exists()


def test_one_appointment_in_work_holds_the_whole_event(contoso: Org) -> None:
    busy = ended(contoso, **UNFINISHED["due"])
    Appointment.objects.create(event=busy, mailbox=ANNA, wanted=True, **IN_WORK)
    purge()
    busy.refresh_from_db()
    assert busy.content is not None
    assert Appointment.objects.due().get().mailbox == TEST


def test_tombstones_are_deleted_some_days_later(contoso: Org) -> None:
    cancelled(contoso)
    recent = cancelled(contoso, days=29, name="event-2")
    assert purge()[0] == "contoso: tombstones deleted: 1"
    assert [*Event.objects.all()] == [recent]
    assert Appointment.objects.get().event == recent


@pytest.mark.parametrize("state", UNFINISHED)
def test_an_unfinished_tombstone_is_kept(contoso: Org, state: str) -> None:
    cancelled(contoso, **UNFINISHED[state])
    assert purge()[0] == "contoso: tombstones kept because something is unfinished: 1"
    assert Appointment.objects.count() == 1


def test_the_days_can_be_chosen(contoso: Org) -> None:
    ended(contoso, days=11)
    cancelled(contoso, days=6, name="event-2")
    assert purge("--days=12", "--tombstones=7") == [NOTHING]
    assert purge("--days=10", "--tombstones=5")[0] == "contoso: contents removed: 1, tombstones deleted: 1"


def test_one_org_can_be_chosen(contoso_and_fabrikam: tuple[Org, Org]) -> None:
    for org in contoso_and_fabrikam:
        ended(org)
        cancelled(org, name="event-2")
    assert purge("--org=fabrikam")[0] == "fabrikam: contents removed: 1, tombstones deleted: 1"
    assert Event.objects.filter(org__slug="contoso").count() == 2
    assert purge()[0] == "contoso: contents removed: 1, tombstones deleted: 1"


def test_each_org_has_a_line_and_then_there_is_a_sum(contoso_and_fabrikam: tuple[Org, Org]) -> None:
    contoso, fabrikam = contoso_and_fabrikam
    ended(contoso, **UNFINISHED["due"])
    ended(fabrikam)
    cancelled(fabrikam, name="event-2", **UNFINISHED["parked"])
    assert purge() == [
        "contoso: contents removed: 1, unfinished Appointments given up: 1",
        "fabrikam: contents removed: 1, tombstones kept because something is unfinished: 1",
        "all: contents removed: 2, unfinished Appointments given up: 1, tombstones deleted: 0, tombstones "
        "kept because something is unfinished: 1, Events in work and left for the next time: 0",
    ]


def test_a_dry_run_says_the_same_and_changes_nothing(contoso: Org) -> None:
    ended(contoso, **UNFINISHED["due"])
    ended(contoso, name="event-2", **IN_WORK)
    cancelled(contoso, name="event-3")
    before = [*Event.objects.values().order_by("pk"), *Appointment.objects.values().order_by("pk")]
    said = purge("--dry-run")
    assert said[-1] == "dry run: nothing was changed"
    assert [*Event.objects.values().order_by("pk"), *Appointment.objects.values().order_by("pk")] == before
    assert purge() == said[:-1]


@pytest.mark.parametrize(
    ("argument", "refusal"),
    [
        ("--org=nobody", 'There is no org "nobody".'),
        ("--days=-1", "--days"),
        ("--tombstones=36501", "--tombs"),
    ],
)
def test_purge_says_what_it_does_not_take(db: None, argument: str, refusal: str) -> None:
    with pytest.raises(CommandError, match=refusal):
        purge(argument)


def test_what_was_done_before_an_interruption_is_kept_and_said(
    contoso: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_batch(self: Purge, pks: list[int], *, dry_run: bool) -> Iterator[Any]:
        yield next(carry_out(self, pks, dry_run=dry_run))
        raise KeyboardInterrupt

    carry_out: Callable[..., Iterator[Any]] = Purge.carry_out
    monkeypatch.setattr(Purge, "carry_out", one_batch)
    monkeypatch.setattr(purging, "BATCH", 2)
    for number in range(3):
        ended(contoso, name=f"event-{number}")
    out = StringIO()
    with pytest.raises(CommandError, match="Interrupted") as stopped:
        call_command("purge", stdout=out)
    assert stopped.value.returncode == 130
    assert out.getvalue().splitlines()[0] == "contoso: contents removed: 2"
    assert Event.objects.filter(content__isnull=True).count() == 2
    monkeypatch.undo()
    assert purge()[0] == "contoso: contents removed: 1"


def test_many_batches_are_purged(contoso: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    for number in range(5):
        ended(contoso, name=f"event-{number}")
        cancelled(contoso, name=f"tombstone-{number}")
    assert purge()[0] == "contoso: contents removed: 5, tombstones deleted: 5"


def test_no_subject_is_ever_decrypted_or_said(contoso: Org, settings: Any) -> None:
    ended(contoso)
    settings.ENCRYPTION_KEYS = [b"o" * 32]  # which opens nothing that is stored
    said = "\n".join(purge())
    assert "contents removed: 1" in said
    assert not any(word in said for word in ("Divorce", "Smiths", "Chambers"))


def test_after_purge_delete_still_finds_the_appointments(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    assert purge()[0] == "contoso: contents removed: 1"
    assert held(exchange, ANNA)
    body = {"id": "event-1", "organizerEmail": TEST, "attendees": [ANNA]}
    assert salesforce.write("DELETE", body) == {TEST: "NoError", ANNA: "NoError"}
    assert held(exchange, TEST) == held(exchange, ANNA) == []


def test_after_purge_update_changes_the_appointments(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    purge()
    new = {name: value for name, value in event(ANNA, subject="Moved").items() if name != "id"}
    assert salesforce.write("PUT", {"original": event(ANNA), "new": new}) == {
        TEST: "NoError",
        ANNA: "NoError",
    }
    assert [item.subject for item in held(exchange, ANNA)] == ["Moved"]
    assert Event.objects.get().content["subject"] == "Moved"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [Event, Appointment])
def test_purge_does_not_wait_for_what_somebody_has_locked(contoso: Org, model: Any) -> None:
    ended(contoso)
    cancelled(contoso, name="event-2")
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        list(model.objects.select_for_update())
        pool.submit(_purge_and_close).result(timeout=10)
        assert Event.objects.filter(content__isnull=False).count() == 1
        assert Event.objects.filter(cancelled=True).count() == 1
    assert purge()[0] == "contoso: contents removed: 1, tombstones deleted: 1"


def _purge_and_close() -> None:
    purge()
    connection.close()
