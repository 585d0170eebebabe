"""The tests that every driver passes. Subclass BackendContract, fill in the three fixtures, run pytest.

class TestAcme(BackendContract):
    @pytest.fixture
    def calendar(self): ...
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from calendar_backends.base import (
    FIELDS,
    NO_ERROR,
    CalendarBackend,
    CalendarError,
    Change,
    Content,
    Deadline,
    Interval,
    Verb,
    differing,
    disagrees,
)
from calendar_backends.core.errors import (
    ITEM_NOT_FOUND,
    MAIL_RECIPIENT_NOT_FOUND,
    TIMEOUT_EXPIRED,
    public_code,
)

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Interval(NOON - 12 * HOUR, NOON + 12 * HOUR)
CONTENT = Content("Advice", "About <mortgages> & more", "Room 1", NOON, NOON + HOUR)

#: Puts an entry with a free/busy status into a mailbox by other means than the driver.
Put = Callable[[str, Interval, str], None]
#: What the stamped items of a mailbox's calendar say, read by other means than the driver.
Contents = Callable[[str], list[Content]]


class BackendContract(ABC):
    """What the service relies on. Addresses of the calendar system under test are the author's to choose."""

    known = "anna@contoso.com"
    also_known = "ben@contoso.com"
    unknown = "nobody@contoso.com"

    @pytest.fixture
    @abstractmethod
    def calendar(self) -> CalendarBackend:
        """The driver, connected to a system where ``known`` and ``also_known`` have empty calendars."""

    @pytest.fixture
    @abstractmethod
    def put(self) -> Put: ...

    @pytest.fixture
    @abstractmethod
    def contents(self) -> Contents: ...

    @pytest.fixture
    def deadline(self) -> Deadline:
        return Deadline.after(20)

    def create(
        self,
        calendar: CalendarBackend,
        deadline: Deadline,
        stamp: str = "org/1",
        content: Content = CONTENT,
    ) -> Change:
        """Create an Appointment in ``known``; the Change that would delete it."""
        change = Change(Verb.CREATE, self.known, stamp, 1, content=content)
        return Change(Verb.DELETE, self.known, stamp, 2, ref=calendar.create(change, deadline))

    def find(self, calendar: CalendarBackend, deadline: Deadline, stamp: str = "org/1") -> list[str]:
        return calendar.find(Change(Verb.FIND, self.known, stamp), deadline)

    def test_read_answers_for_every_mailbox_as_it_was_spelled(
        self, calendar: CalendarBackend, deadline: Deadline
    ) -> None:
        asked = [self.known.upper(), self.also_known, self.unknown]
        assert set(calendar.busy_times(asked, DAY, deadline)) == set(asked)

    @pytest.mark.parametrize("status", ["free", "tentative", "busy", "oof", "workingElsewhere"])
    def test_read_tells_the_status_of_an_entry(
        self, calendar: CalendarBackend, put: Put, deadline: Deadline, status: str
    ) -> None:
        put(self.known, Interval(NOON, NOON + HOUR), status)
        entries = calendar.busy_times([self.known], DAY, deadline)[self.known]
        assert not isinstance(entries, CalendarError)
        found = [(entry.when, entry.status) for entry in entries]
        # A calendar system may leave out what is free.
        assert found == [(Interval(NOON, NOON + HOUR), status)] or (status == "free" and not found)

    def test_read_finds_an_entry_that_reaches_into_the_window(
        self, calendar: CalendarBackend, put: Put, deadline: Deadline
    ) -> None:
        put(self.known, Interval(NOON - HOUR, NOON + HOUR), "busy")
        entries = calendar.busy_times([self.known], Interval(NOON, NOON + HOUR), deadline)[self.known]
        assert not isinstance(entries, CalendarError)
        assert [entry.status for entry in entries] == ["busy"]

    def test_an_unknown_mailbox_is_an_error_and_never_free(
        self, calendar: CalendarBackend, deadline: Deadline
    ) -> None:
        answer = calendar.busy_times([self.known, self.unknown], DAY, deadline)
        assert answer[self.known] == []
        error = answer[self.unknown]
        assert isinstance(error, CalendarError)
        assert public_code(error.code) == MAIL_RECIPIENT_NOT_FOUND

    def test_what_was_created_is_in_the_calendar_and_blocks(
        self, calendar: CalendarBackend, contents: Contents, deadline: Deadline
    ) -> None:
        self.create(calendar, deadline)
        assert contents(self.known) == [CONTENT]
        entries = calendar.busy_times([self.known], DAY, deadline)[self.known]
        assert not isinstance(entries, CalendarError)
        assert [(entry.when, entry.status) for entry in entries] == [(Interval(NOON, NOON + HOUR), "busy")]

    def test_what_was_created_is_found_by_its_stamp(
        self, calendar: CalendarBackend, deadline: Deadline
    ) -> None:
        made = self.create(calendar, deadline)
        assert self.find(calendar, deadline) == [made.ref]

    @pytest.mark.parametrize("other", ["org/2", "ORG/1", "org/1 ", "org/'1"])
    def test_another_stamp_finds_nothing(
        self, calendar: CalendarBackend, deadline: Deadline, other: str
    ) -> None:
        self.create(calendar, deadline)
        assert self.find(calendar, deadline, other) == []

    @pytest.mark.parametrize(
        "content",
        [
            replace(CONTENT, show_as="free", reminder=None),
            replace(CONTENT, show_as="tentative", reminder=0),
            replace(CONTENT, body="<p>About <b>mortgages</b></p>", html=True, reminder=60),
            replace(CONTENT, subject="", body="", location=""),
        ],
        ids=["free, no reminder", "tentative", "html", "empty"],
    )
    def test_an_appointment_says_what_it_was_given(
        self, calendar: CalendarBackend, contents: Contents, deadline: Deadline, content: Content
    ) -> None:
        self.create(calendar, deadline, content=content)
        assert contents(self.known) == [content]
        [item] = calendar.held(self.known, "org/1", deadline)
        assert not disagrees(item, content)

    def test_what_is_held_is_read_back(self, calendar: CalendarBackend, deadline: Deadline) -> None:
        made = self.create(calendar, deadline)
        [item] = calendar.held(self.known, "org/1", deadline)
        assert (item.ref, item.stamp, item.subject) == (made.ref, "org/1", CONTENT.subject)
        assert (item.body.split(), item.location) == (CONTENT.body.split(), CONTENT.location)
        assert (item.start, item.end, item.show_as) == (NOON, NOON + HOUR, "busy")
        assert abs(item.modified - datetime.now(UTC)) < HOUR

    def test_all_stamps_that_begin_alike_are_read_back_the_oldest_first(
        self, calendar: CalendarBackend, deadline: Deadline
    ) -> None:
        for stamp in ("org/2", "org/1", "ORG/1", "org2/1", "org/10"):
            self.create(calendar, deadline, stamp)
        items = calendar.held(self.known, "org/", deadline, whole=False)
        assert [item.stamp for item in items] == ["org/2", "org/1", "org/10"]
        assert [item.stamp for item in calendar.held(self.known, "org/1", deadline)] == ["org/1"]
        assert calendar.held(self.known, "org/", deadline) == []

    @pytest.mark.parametrize("field", sorted(FIELDS))
    def test_an_update_writes_the_fields_that_it_names_and_no_others(
        self, calendar: CalendarBackend, contents: Contents, deadline: Deadline, field: str
    ) -> None:
        made = self.create(calendar, deadline)
        later = Interval(NOON + 3 * HOUR, NOON + 4 * HOUR)
        news = Content("Other", "News", "Room 2", *later, show_as="tentative", reminder=None)
        change = replace(made, verb=Verb.UPDATE, content=news, fields=frozenset({field}))
        calendar.update(change, deadline)
        [said] = contents(self.known)
        assert differing(CONTENT, said) == {field}
        assert differing(said, news) == FIELDS - {field}
        assert said.reminder == CONTENT.reminder

    def test_an_update_changes_the_same_item(
        self, calendar: CalendarBackend, contents: Contents, deadline: Deadline
    ) -> None:
        made = self.create(calendar, deadline)
        content = replace(CONTENT, subject="Moved", start=NOON + 3 * HOUR, end=NOON + 4 * HOUR)
        ref = calendar.update(replace(made, verb=Verb.UPDATE, content=content), deadline)
        assert contents(self.known) == [content]
        assert self.find(calendar, deadline) == [ref]

    def test_a_deleted_item_is_gone_and_is_said_to_be_gone(
        self, calendar: CalendarBackend, contents: Contents, deadline: Deadline
    ) -> None:
        made = self.create(calendar, deadline)
        calendar.delete(made, deadline)
        assert contents(self.known) == []
        assert self.find(calendar, deadline) == []
        for again in (made, replace(made, verb=Verb.UPDATE, content=CONTENT)):
            with pytest.raises(CalendarError) as caught:
                calendar.write_one(again, deadline)
            assert caught.value.code == ITEM_NOT_FOUND

    def test_writing_to_many_mailboxes_answers_for_each(
        self, calendar: CalendarBackend, contents: Contents, deadline: Deadline
    ) -> None:
        changes = [
            Change(Verb.CREATE, mailbox, "org/1", 1, content=CONTENT)
            for mailbox in (self.known, self.unknown, self.also_known)
        ]
        outcomes = calendar.write(changes, deadline)
        first, second, third = (outcomes[change] for change in changes)
        assert not isinstance(first, CalendarError)
        assert not isinstance(third, CalendarError)
        assert isinstance(second, CalendarError)
        assert public_code(second.code) == MAIL_RECIPIENT_NOT_FOUND
        assert contents(self.known) == contents(self.also_known) == [CONTENT]

    def test_nothing_is_done_after_the_deadline(self, calendar: CalendarBackend, contents: Contents) -> None:
        change = Change(Verb.CREATE, self.known, "org/1", 1, content=CONTENT)
        outcome = calendar.write([change], Deadline.after(0))[change]
        assert isinstance(outcome, CalendarError)
        assert outcome.code == TIMEOUT_EXPIRED
        assert contents(self.known) == []

    def test_a_probe_finds_that_everything_works(self, calendar: CalendarBackend, deadline: Deadline) -> None:
        results = calendar.probe(self.known, deadline)
        assert results
        assert {result.code for result in results} == {NO_ERROR}
