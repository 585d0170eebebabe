"""From any state of a mailbox to the wanted one, whatever answers are lost on the way."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from calendar_backends.core.appointments import Change, Content, Verb
from calendar_backends.core.convergence import Goal, Outcome, Settled, first_change, next_changes
from calendar_backends.core.errors import ITEM_NOT_FOUND, NO_ERROR, TIMEOUT_EXPIRED, CalendarError

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def content(subject: str) -> Content:
    return Content(subject, "", "", NOON, NOON + timedelta(hours=1))


class Mailbox:
    """What a calendar system does: carries a change out, and may lose the answer."""

    def __init__(self, subjects: list[str]) -> None:
        self.items = {f"old{n}": subject for n, subject in enumerate(subjects)}
        self.made = 0

    def answer(self, change: Change, *, lost: bool) -> Outcome:
        if change.ref is not None and change.ref not in self.items:
            return CalendarError(ITEM_NOT_FOUND)
        refs = self._carry_out(change)
        return CalendarError(TIMEOUT_EXPIRED, uncertain=True) if lost else refs

    def _carry_out(self, change: Change) -> list[str]:
        subject = change.content.subject if change.content else ""
        match change.verb:
            case Verb.FIND:
                return list(self.items)
            case Verb.DELETE:
                del self.items[str(change.ref)]
                return []
            case Verb.CREATE:
                self.made += 1
                self.items[f"new{self.made}"] = subject
                return [f"new{self.made}"]
            case Verb.UPDATE:
                self.items[str(change.ref)] = subject
                return [str(change.ref)]


def run(
    mailbox: Mailbox, goal: Goal, ref: str | None, losses: list[bool], *, attempted: bool
) -> list[Settled]:
    """One run of the service over one mailbox; every call in ``losses`` that is True has its answer lost."""
    todo, settled, looked = [first_change(goal, ref, attempted=attempted)], [], False
    while todo:
        change = todo.pop(0)
        lost = losses.pop(0) if losses else False
        following = next_changes(goal, change, mailbox.answer(change, lost=lost), looked=looked)
        if isinstance(following, Settled):
            settled.append(following)
        else:
            looked = True
            todo += following
    return settled


goals = st.sampled_from([None, content("wanted")])
losses = st.lists(st.booleans(), max_size=6)


@given(goals, losses, st.integers(0, 3), st.sampled_from([None, "old0", "stale"]))
def test_after_any_losses_the_next_run_makes_it_exact(
    wanted: Content | None, lost: list[bool], copies: int, ref: str | None
) -> None:
    mailbox = Mailbox(["before"] * copies)
    goal = Goal("anna@contoso.com", "org/1", 1, wanted)
    run(mailbox, goal, ref, lost, attempted=True)
    settled = run(mailbox, goal, None, [], attempted=True)
    assert list(mailbox.items.values()) == ([wanted.subject] if wanted else [])
    assert {end.code for end in settled} == {NO_ERROR}


@given(losses)
def test_a_first_create_never_makes_two(lost: list[bool]) -> None:
    mailbox = Mailbox([])
    run(mailbox, Goal("anna@contoso.com", "org/1", 1, content("wanted")), None, lost, attempted=False)
    assert len(mailbox.items) == 1


def test_a_first_create_is_one_call() -> None:
    goal = Goal("anna@contoso.com", "org/1", 1, content("wanted"))
    assert first_change(goal, None, attempted=False).verb is Verb.CREATE


def test_what_was_not_there_to_be_removed_is_said() -> None:
    goal = Goal("anna@contoso.com", "org/1", 1, None)
    assert run(Mailbox([]), goal, None, [], attempted=False) == [Settled(None, NO_ERROR, existed=False)]


def test_every_change_has_a_transaction_id_of_its_own_and_keeps_it() -> None:
    first = Change(Verb.CREATE, "Anna@contoso.com", "org/1", 1)
    assert first.transaction_id == Change(Verb.CREATE, "anna@contoso.com", "org/1", 1).transaction_id
    others = [
        ("ben@contoso.com", "org/1", 1),
        ("anna@contoso.com", "org/2", 1),
        ("anna@contoso.com", "org/1", 2),
    ]
    assert first.transaction_id not in {Change(Verb.CREATE, *other).transaction_id for other in others}
