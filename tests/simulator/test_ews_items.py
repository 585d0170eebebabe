from datetime import timedelta

import pytest

from calendar_backends.simulator.world import Item, Mailbox
from tests.simulator.conftest import ANNA, BEN, NINE, TEN
from tests.simulator.ews_client import CALENDAR, GUID, NAME, EwsClient, appointment, set_field, stamp

DAY = timedelta(days=1)
ATTENDEE = f"<t:Attendee><t:Mailbox><t:EmailAddress>{BEN}</t:EmailAddress></t:Mailbox></t:Attendee>"
MEETING = appointment("Meeting", NINE, TEN) + f"<t:RequiredAttendees>{ATTENDEE}</t:RequiredAttendees>"
DELETED_BODY = '<t:DeleteItemField><t:FieldURI FieldURI="item:Body"/></t:DeleteItemField>'


def _stamped(kind: str = "String", guid: str = GUID, name: str = NAME) -> str:
    path = f'<t:ExtendedFieldURI PropertySetId="{guid}" PropertyName="{name}" PropertyType="{kind}"/>'
    return f"<t:ExtendedProperty>{path}<t:Value>v</t:Value></t:ExtendedProperty>"


@pytest.fixture
def item(anna: Mailbox) -> Item:
    return anna.add_item("Old", NINE, TEN, body="Text")


def test_create_keeps_every_property(ews: EwsClient, anna: Mailbox) -> None:
    answer = ews.create(appointment("Loan &amp; more", NINE, TEN))
    [item] = anna.items
    assert answer.codes == ["NoError"]
    assert (answer.item_id, answer.change_key) == (item.id, item.change_key)
    assert (item.subject, item.start, item.end, item.location) == ("Loan & more", NINE, TEN, "Oslo")
    assert (item.body, item.body_type, item.show_as, item.reminder) == ("Body", "text", "busy", False)
    assert item.properties == {(GUID, NAME): "event-1"}
    assert not item.is_meeting


def test_create_without_send_mode_is_refused(ews: EwsClient, anna: Mailbox) -> None:
    assert ews.create(appointment("A", NINE, TEN), send="").codes == ["ErrorSendMeetingInvitationsRequired"]
    assert anna.items == []


def test_attendees_without_mail_make_a_silent_meeting(ews: EwsClient, anna: Mailbox) -> None:
    ews.create(MEETING)
    assert anna.items[0].is_meeting
    assert anna.invitations_sent == []


def test_a_meeting_that_is_sent_is_recorded(ews: EwsClient, anna: Mailbox) -> None:
    ews.create(MEETING, send='SendMeetingInvitations="SendToAllAndSaveCopy"')
    [sent] = anna.invitations_sent
    assert (sent["operation"], sent["attendees"]) == ("CreateItem", [BEN])


@pytest.mark.parametrize(
    ("subject", "length", "code"),
    [
        ("A", timedelta(hours=-1), "ErrorCalendarEndDateIsEarlierThanStartDate"),
        ("A", 6 * 366 * DAY, "ErrorCalendarDurationIsTooLong"),
        ("A" * 256, DAY, "ErrorItemSavePropertyError"),
        ("A" * 255, DAY, "NoError"),
        ("A", 0 * DAY, "NoError"),
    ],
)
def test_impossible_items_are_refused(
    ews: EwsClient, anna: Mailbox, subject: str, length: timedelta, code: str
) -> None:
    assert ews.create(appointment(subject, NINE, NINE + length)).codes == [code]
    assert len(anna.items) == (code == "NoError")


def test_times_with_an_offset_are_taken_literally(ews: EwsClient, anna: Mailbox) -> None:
    ews.create("<t:Start>2026-12-01T11:00:00+02:00</t:Start><t:End>2026-12-01T10:00:00</t:End>")
    assert (anna.items[0].start, anna.items[0].end) == (NINE, TEN)


def test_naive_times_in_another_zone_than_utc_are_refused(ews: EwsClient) -> None:
    zone = '<t:StartTimeZone Id="W. Europe Standard Time"/>'
    end = f"<t:End>{stamp(TEN)}</t:End>"
    naive = ews.create(f"<t:Start>2026-12-01T09:00:00</t:Start>{end}{zone}")
    assert naive.codes == ["ErrorCalendarInvalidTimeZone"]
    assert ews.create(f"<t:Start>{stamp(NINE)}</t:Start>{end}{zone}").codes == ["NoError"]


def test_naive_times_are_in_the_zone_of_the_header(ews: EwsClient) -> None:
    zone = '<t:TimeZoneDefinition Id="W. Europe Standard Time"/>'
    item = "<t:CalendarItem><t:Start>2026-12-01T09:00:00</t:Start></t:CalendarItem>"
    body = f'<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>{item}</m:Items></m:CreateItem>'
    answer = ews.call(body, f"<t:TimeZoneContext>{zone}</t:TimeZoneContext>")
    assert answer.codes == ["ErrorCalendarInvalidTimeZone"]


def test_an_item_without_times_takes_the_current_half_hour(ews: EwsClient, anna: Mailbox) -> None:
    ews.create("<t:Subject>Now</t:Subject>")
    assert anna.items[0].end - anna.items[0].start == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ("<t:Location>Oslo</t:Location><t:Subject>Wrong order</t:Subject>", "ErrorSchemaValidation"),
        ("<t:LegacyFreeBusyStatus>busy</t:LegacyFreeBusyStatus>", "ErrorSchemaValidation"),
        ("<t:ReminderIsSet>no</t:ReminderIsSet>", "ErrorSchemaValidation"),
        ("<t:ReminderMinutesBeforeStart>soon</t:ReminderMinutesBeforeStart>", "ErrorSchemaValidation"),
        ("<t:Body>No type</t:Body>", "ErrorSchemaValidation"),
        ("<t:Start>tomorrow</t:Start>", "ErrorSchemaValidation"),
        ("<m:Subject>Wrong namespace</m:Subject>", "ErrorSchemaValidation"),
        (_stamped("Integer"), "ErrorInvalidExtendedProperty"),
        (_stamped("String", "no-guid"), "ErrorSchemaValidation"),
        ("<t:IsMeeting>true</t:IsMeeting>", "ErrorInvalidPropertySet"),
    ],
)
def test_properties_out_of_the_schema_are_refused(
    ews: EwsClient, anna: Mailbox, properties: str, code: str
) -> None:
    ews.checks_schema = False
    assert ews.create(properties).codes == [code]
    assert anna.items == []


def test_the_guid_of_a_property_ignores_case(ews: EwsClient, anna: Mailbox) -> None:
    ews.create(_stamped("String", GUID.upper()))
    assert anna.items[0].properties == {(GUID, NAME): "v"}


def test_an_unknown_way_of_sending_breaks_the_schema(ews: EwsClient) -> None:
    ews.checks_schema = False
    answer = ews.create(appointment("A", NINE, TEN), send='SendMeetingInvitations="Loudly"')
    assert answer.codes == ["ErrorSchemaValidation"]


def _folder(address: str) -> str:
    mailbox = f"<t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox>"
    return f'<t:DistinguishedFolderId Id="calendar">{mailbox}</t:DistinguishedFolderId>'


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        (_folder(ANNA), "NoError"),
        (_folder(BEN), "ErrorAccessDenied"),
        (_folder("nobody@contoso.example"), "ErrorNonExistentMailbox"),
        ('<t:DistinguishedFolderId Id="inbox"/>', "ErrorFolderNotFound"),
        ('<t:FolderId Id="bm8="/>', "ErrorFolderNotFound"),
    ],
)
def test_the_folder_must_be_ones_own_calendar(ews: EwsClient, folder: str, code: str) -> None:
    assert ews.create(appointment("A", NINE, TEN), folder=folder).codes == [code]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("unlicensed", "ErrorInvalidLicense"),
        ("disabled", "ErrorAccountDisabled"),
        ("moving", "ErrorMailboxMoveInProgress"),
        ("store_unavailable", "ErrorMailboxStoreUnavailable"),
        ("no_calendar", "ErrorFolderNotFound"),
        ("denied", "ErrorAccessDenied"),
    ],
)
def test_nothing_is_written_to_a_mailbox_in_a_bad_state(
    ews: EwsClient, anna: Mailbox, state: str, code: str
) -> None:
    anna.state = state
    assert ews.create(appointment("A", NINE, TEN), folder=CALENDAR).codes == [code]
    assert anna.items == []


def test_update_changes_the_fields_named_and_the_change_key(ews: EwsClient, item: Item) -> None:
    old_key, item_id = item.change_key, item.id
    answer = ews.update(
        item.id,
        set_field("item:Subject", "<t:Subject>New</t:Subject>")
        + set_field("calendar:Start", f"<t:Start>{stamp(TEN)}</t:Start>")
        + set_field("calendar:End", f"<t:End>{stamp(TEN + DAY)}</t:End>"),
    )
    assert answer.codes == ["NoError"]
    assert (item.subject, item.start, item.end, item.body) == ("New", TEN, TEN + DAY, "Text")
    assert (item.id, answer.change_key) == (item_id, item.change_key)
    assert item.change_key != old_key


def test_a_start_moved_past_the_end_changes_nothing(ews: EwsClient, item: Item) -> None:
    later = set_field("calendar:Start", f"<t:Start>{stamp(TEN + DAY)}</t:Start>")
    assert ews.update(item.id, later).codes == ["ErrorCalendarEndDateIsEarlierThanStartDate"]
    assert item.start == NINE


def test_deleting_a_field_empties_it(ews: EwsClient, item: Item) -> None:
    assert ews.update(item.id, DELETED_BODY).codes == ["NoError"]
    assert item.body == ""


def test_appending_is_for_the_body_alone(ews: EwsClient, item: Item) -> None:
    more = set_field("item:Body", '<t:Body BodyType="Text"> and more</t:Body>')
    ews.update(item.id, more.replace("SetItemField", "AppendToItemField"))
    assert item.body == "Text and more"
    subject = set_field("item:Subject", "<t:Subject>!</t:Subject>").replace(
        "SetItemField", "AppendToItemField"
    )
    assert ews.update(item.id, subject).codes == ["ErrorInvalidPropertyAppend"]


@pytest.mark.parametrize(
    ("updates", "code"),
    [
        (
            set_field("item:Subject", "<t:Subject>A</t:Subject><t:Importance>Low</t:Importance>"),
            "ErrorIncorrectUpdatePropertyCount",
        ),
        (set_field("item:Subject", ""), "ErrorIncorrectUpdatePropertyCount"),
        (set_field("item:Subject", "<t:Location>A</t:Location>"), "ErrorUpdatePropertyMismatch"),
        (set_field("extended", "<t:Subject>A</t:Subject>"), "ErrorUpdatePropertyMismatch"),
        (DELETED_BODY.replace("item:Body", "calendar:Start"), "ErrorInvalidPropertyDelete"),
    ],
)
def test_an_update_sets_exactly_the_property_it_names(
    ews: EwsClient, item: Item, updates: str, code: str
) -> None:
    assert ews.update(item.id, updates).codes == [code]
    assert item.subject == "Old"


def test_an_update_stamps_one_property_and_keeps_the_others(ews: EwsClient, item: Item) -> None:
    item.properties[(GUID, "Other")] = "kept"
    first = set_field("extended", _stamped())
    second = set_field("extended", _stamped(name="Second")).replace(NAME, "Second")
    assert ews.update(item.id, first + second).codes == ["NoError"]
    assert item.properties == {(GUID, "Other"): "kept", (GUID, NAME): "v", (GUID, "Second"): "v"}


@pytest.mark.parametrize(
    ("resolution", "key", "code"),
    [
        ("AlwaysOverwrite", None, "NoError"),
        ("AlwaysOverwrite", "c3RhbGU=", "NoError"),
        ("AutoResolve", None, "ErrorChangeKeyRequired"),
        ("AutoResolve", "c3RhbGU=", "ErrorIrresolvableConflict"),
        ("NeverOverwrite", "c3RhbGU=", "ErrorStaleObject"),
    ],
)
def test_a_stale_change_key_is_refused_unless_overwriting(
    ews: EwsClient, item: Item, resolution: str, key: str | None, code: str
) -> None:
    subject = set_field("item:Subject", "<t:Subject>New</t:Subject>")
    assert ews.update(item.id, subject, change_key=key, resolution=resolution).codes == [code]


def test_the_current_change_key_is_accepted(ews: EwsClient, item: Item) -> None:
    subject = set_field("item:Subject", "<t:Subject>New</t:Subject>")
    answer = ews.update(item.id, subject, change_key=item.change_key, resolution="AutoResolve")
    assert answer.codes == ["NoError"]


def test_update_needs_its_attributes(ews: EwsClient, item: Item) -> None:
    required = "ErrorSendMeetingInvitationsOrCancellationsRequired"
    assert ews.update(item.id, DELETED_BODY, send="").codes == [required]
    ews.checks_schema = False
    assert ews.update(item.id, DELETED_BODY, resolution="Sometimes").codes == ["ErrorSchemaValidation"]


def test_an_update_of_a_meeting_that_is_sent_is_recorded(ews: EwsClient, anna: Mailbox) -> None:
    item = anna.add_item("Meeting", NINE, TEN, attendees=[BEN])
    ews.update(item.id, DELETED_BODY, send='SendMeetingInvitationsOrCancellations="SendToAllAndSaveCopy"')
    assert [sent["operation"] for sent in anna.invitations_sent] == ["UpdateItem"]


def test_an_item_in_deleted_items_takes_silent_updates_only(
    ews: EwsClient, anna: Mailbox, item: Item
) -> None:
    anna.delete(item)
    assert ews.update(item.id, DELETED_BODY).codes == ["NoError"]
    loud = ews.update(item.id, DELETED_BODY, send='SendMeetingInvitationsOrCancellations="SendOnlyToAll"')
    assert loud.codes == ["ErrorCalendarCannotUpdateDeletedItem"]


def test_delete_moves_to_deleted_items_under_a_new_id(ews: EwsClient, item: Item) -> None:
    old_id, immutable_id = item.id, item.immutable_id
    assert ews.delete(old_id).codes == ["NoError"]
    assert (item.folder, item.immutable_id) == ("deleteditems", immutable_id)
    assert item.id != old_id
    assert ews.delete(old_id).codes == ["ErrorItemNotFound"]


@pytest.mark.parametrize(("how", "folders"), [("HardDelete", []), ("SoftDelete", ["recoverableitems"])])
def test_the_other_ways_of_deleting(
    ews: EwsClient, anna: Mailbox, item: Item, how: str, folders: list[str]
) -> None:
    assert ews.delete(item.id, how).codes == ["NoError"]
    assert [left.folder for left in anna.items] == folders


def test_delete_needs_its_attributes(ews: EwsClient, item: Item) -> None:
    assert ews.delete(item.id, send="").codes == ["ErrorSendMeetingCancellationsRequired"]
    ews.checks_schema = False
    assert ews.delete(item.id, "Shred").codes == ["ErrorSchemaValidation"]
    assert item.folder == "calendar"


def test_a_cancellation_that_is_sent_is_recorded(ews: EwsClient, anna: Mailbox) -> None:
    item = anna.add_item("Meeting", NINE, TEN, attendees=[BEN])
    ews.delete(item.id, send='SendMeetingCancellations="SendOnlyToAll"')
    assert [sent["operation"] for sent in anna.invitations_sent] == ["DeleteItem"]


def test_item_ids_depend_on_case_and_on_the_face(ews: EwsClient, item: Item) -> None:
    assert ews.get(item.id.swapcase()).codes == ["ErrorItemNotFound"]
    assert ews.get(item.rest_id).codes == ["ErrorInvalidIdMalformed"]
    assert ews.get("").codes == ["ErrorInvalidIdEmpty"]


def test_graphs_immutable_id_is_no_ews_id(ews: EwsClient, anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN, immutable_id="AAkALgAA")
    assert ews.get(item.immutable_id).codes == ["ErrorItemNotFound"]


def test_items_of_a_mailbox_without_access_stay_as_they_are(
    ews: EwsClient, anna: Mailbox, item: Item
) -> None:
    anna.state = "denied"
    assert ews.update(item.id, DELETED_BODY).codes == ["ErrorAccessDenied"]
    assert ews.delete(item.id).codes == ["ErrorAccessDenied"]
    assert (item.body, item.folder) == ("Text", "calendar")


def test_one_bad_item_does_not_spoil_the_others(ews: EwsClient, anna: Mailbox) -> None:
    good, bad = (f"<t:CalendarItem>{appointment(s, NINE, TEN)}</t:CalendarItem>" for s in ("A", "B" * 256))
    answer = ews.call(
        f'<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>{bad}{good}</m:Items></m:CreateItem>'
    )
    assert answer.codes == ["ErrorItemSavePropertyError", "NoError"]
    assert [item.subject for item in anna.items] == ["A"]


def test_a_request_about_nothing_breaks_the_schema(ews: EwsClient, item: Item) -> None:
    ews.checks_schema = False
    attributes = 'DeleteType="HardDelete" SendMeetingCancellations="SendToNone"'
    assert ews.call(f"<m:DeleteItem {attributes}><m:ItemIds/></m:DeleteItem>").codes == [
        "ErrorSchemaValidation"
    ]
    assert ews.update(item.id, "<t:SetItemField/>").codes == ["ErrorSchemaValidation"]


def test_messages_are_not_kept(ews: EwsClient) -> None:
    message = "<m:Items><t:Message><t:Subject>Mail</t:Subject></t:Message></m:Items>"
    refused = ews.call(f'<m:CreateItem MessageDisposition="SaveOnly">{message}</m:CreateItem>')
    assert (refused.status, refused.codes) == (500, ["ErrorInvalidRequest"])
