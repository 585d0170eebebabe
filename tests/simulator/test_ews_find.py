import pytest
from lxml import etree

from calendar_backends.simulator.world import Item, Mailbox
from tests.simulator.conftest import NINE, TEN
from tests.simulator.ews_client import CALENDAR, GUID, NAME, PATH, EwsClient

DELETED = '<t:DistinguishedFolderId Id="deleteditems"/>'


def _stamped(mailbox: Mailbox, value: str) -> Item:
    return mailbox.add_item("Item", NINE, TEN, properties={(GUID, NAME): value})


def test_find_answers_the_items_with_the_very_value(ews: EwsClient, anna: Mailbox) -> None:
    item = _stamped(anna, "event-1")
    _stamped(anna, "EVENT-1")
    answer = ews.find("event-1")
    assert answer.texts("t:ItemId/@Id") == [item.id]
    assert answer.texts("@IncludesLastItemInRange") == ["true"]


def test_find_answers_the_items_whose_value_begins_alike(ews: EwsClient, anna: Mailbox) -> None:
    items = [_stamped(anna, value) for value in ("org/1", "ORG/2", "org2/1", "org/3")]
    anna.add_item("not stamped", NINE, TEN)
    exact, loose = (ews.find_containing("org/", comparison=how) for how in ("Exact", "IgnoreCase"))
    assert exact.texts("t:ItemId/@Id") == [items[0].id, items[3].id]
    assert loose.texts("t:ItemId/@Id") == [items[0].id, items[1].id, items[3].id]


def test_another_way_of_containing_is_refused_and_not_ignored(ews: EwsClient) -> None:
    assert ews.find_containing("org/", mode="Substring").codes == ["ErrorInvalidRestriction"]
    assert ews.find_containing("org/", comparison="Loose").codes == ["ErrorInvalidRestriction"]


def test_find_looks_into_the_folder_it_is_told(ews: EwsClient, anna: Mailbox) -> None:
    item = _stamped(anna, "event-1")
    anna.delete(item)
    assert ews.find("event-1").texts("t:ItemId/@Id") == []
    assert ews.find("event-1", folder=DELETED).texts("t:ItemId/@Id") == [item.id]


def test_a_restricted_search_is_paged_at_250(ews: EwsClient, anna: Mailbox) -> None:
    for _ in range(251):
        _stamped(anna, "event-1")
    whole = '<m:IndexedPageItemView MaxEntriesReturned="1000" Offset="0" BasePoint="Beginning"/>'
    first = ews.find("event-1", view=whole)
    assert len(first.texts("t:ItemId/@Id")) == 250
    assert first.texts("@IncludesLastItemInRange") == ["false"]
    rest = whole.replace('Offset="0"', 'Offset="250"')
    assert ews.find("event-1", view=rest).texts("t:ItemId/@Id") == [anna.items[-1].id]


def test_find_answers_the_properties_asked_for_but_no_body(ews: EwsClient, anna: Mailbox) -> None:
    _stamped(anna, "event-1")
    fields = '<t:FieldURI FieldURI="item:Subject"/><t:FieldURI FieldURI="item:Body"/>'
    answer = ews.find("event-1", shape=f"<t:AdditionalProperties>{fields}{PATH}</t:AdditionalProperties>")
    assert answer.texts("t:Value") == ["event-1"]
    assert answer.texts("t:Subject") == ["Item"]
    assert answer.texts("t:Body") == []


def test_find_in_another_folder_than_known_is_an_error(ews: EwsClient) -> None:
    inbox = '<t:DistinguishedFolderId Id="inbox"/>'
    assert ews.find("event-1", folder=inbox).codes == ["ErrorFolderNotFound"]


def _find_item(content: str) -> str:
    shape = "<m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>"
    folders = f"<m:ParentFolderIds>{CALENDAR}</m:ParentFolderIds>"
    return f'<m:FindItem Traversal="Shallow">{shape}{content}{folders}</m:FindItem>'


def test_a_search_without_restriction_lists_the_folder(ews: EwsClient, anna: Mailbox) -> None:
    anna.add_item("A", NINE, TEN)
    anna.add_item("B", NINE, TEN)
    assert ews.call(_find_item("")).texts("t:Subject") == ["A", "B"]


def test_what_is_not_imitated_is_refused_and_not_ignored(ews: EwsClient) -> None:
    view = '<m:CalendarView StartDate="2026-12-01T00:00:00Z" EndDate="2026-12-02T00:00:00Z"/>'
    assert ews.call(_find_item(view)).codes == ["ErrorInvalidRequest"]
    subject = '<t:Exists><t:FieldURI FieldURI="item:Subject"/></t:Exists>'
    answer = ews.call(_find_item(f"<m:Restriction>{subject}</m:Restriction>"))
    assert answer.codes == ["ErrorInvalidRestriction"]


def test_get_item_answers_in_schema_order(ews: EwsClient, anna: Mailbox) -> None:
    item = anna.add_item("A & B", NINE, TEN, body="<p>x</p>", body_type="html", categories=["Red"])
    answer = ews.get(item.id, ("calendar:Start", "item:Body", "item:Subject", "item:Categories"))
    assert answer.texts("t:Subject") == ["A & B"]
    assert answer.texts("t:Body[@BodyType='HTML']") == ["<p>x</p>"]
    assert answer.texts("t:Start") == ["2026-12-01T09:00:00Z"]
    assert answer.texts("t:Categories/t:String") == ["Red"]


def test_get_item_answers_a_body_of_the_wanted_type(ews: EwsClient, anna: Mailbox) -> None:
    page = (
        "<html><head><style>p { }</style></head><body><p>One<br>two</p><ul><li>three</li></ul>"
        '<hr><a href="https://x.example">four</a> &amp; five</body></html>'
    )
    item = anna.add_item("A", NINE, TEN, body=page, body_type="html")
    [text] = ews.get(item.id, ("item:Body",), "Text").texts("t:Body[@BodyType='Text']")
    assert text.split() == [
        *("One", "two", "*", "three", "________________________________"),
        *("four<https://x.example>", "&", "five"),
    ]
    anna.update(item, body="a < b", body_type="text")
    assert "a &lt; b" in ews.get(item.id, ("item:Body",), "HTML").texts("t:Body[@BodyType='HTML']")[0]
    assert ews.get(item.id, ("item:Body",), "Best").texts("t:Body[@BodyType='Text']") == ["a < b"]


def test_a_series_says_so(ews: EwsClient, anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN, is_series=True)
    answer = ews.get(item.id, ("calendar:CalendarItemType",))
    assert answer.texts("t:CalendarItemType") == ["RecurringMaster"]


def test_a_control_character_is_written_as_a_reference(ews: EwsClient, anna: Mailbox) -> None:
    item = anna.add_item("A\x0b", NINE, TEN)
    with pytest.raises(etree.XMLSyntaxError, match="xmlChar"):
        ews.get(item.id)


def test_get_folder_answers_the_calendar(ews: EwsClient, anna: Mailbox) -> None:
    anna.add_item("A", NINE, TEN)
    shape = "<m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
    answer = ews.call(f"<m:GetFolder>{shape}<m:FolderIds>{CALENDAR}</m:FolderIds></m:GetFolder>")
    assert answer.texts("t:CalendarFolder/t:TotalCount") == ["1"]


def test_the_folder_id_of_an_answer_can_be_used(ews: EwsClient, anna: Mailbox) -> None:
    _stamped(anna, "event-1")
    shape = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    calendar = ews.call(f"<m:GetFolder>{shape}<m:FolderIds>{CALENDAR}</m:FolderIds></m:GetFolder>")
    folder = f'<t:FolderId Id="{calendar.texts("t:FolderId/@Id")[0]}"/>'
    assert len(ews.find("event-1", folder=folder).texts("t:ItemId/@Id")) == 1
