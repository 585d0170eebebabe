import json
from datetime import timedelta

import pytest

from calendar_backends.simulator import World
from calendar_backends.simulator.world import Item, Mailbox, Tenant
from tests.simulator.conftest import ANNA, BEN, NINE, SERVICE, TEN

KEY = ("c11ff724-aa03-4555-9952-8fa248a11c3e", "Name")


def test_an_item_is_found_by_each_of_its_ids(anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN)
    assert {anna.find(name) for name in (item.id, item.rest_id, item.immutable_id)} == {item}
    assert len({item.id, item.rest_id, item.immutable_id}) == 3
    assert "/" in item.id and "+" in item.id and "/" not in item.rest_id


def test_an_update_sets_the_fields_the_change_key_and_the_time(anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN)
    key, modified = item.change_key, item.modified
    anna.update(item, subject="B", show_as="oof")
    assert (item.subject, item.show_as) == ("B", "oof")
    assert item.change_key != key and item.modified > modified


def test_a_hard_delete_leaves_nothing(anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN)
    anna.delete(item, "HardDelete")
    assert (anna.items, anna.find(item.id), anna.find(item.immutable_id)) == ([], None, None)


def test_a_move_changes_the_ews_id_alone(anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN)
    old_id, immutable_id = item.id, item.immutable_id
    anna.move(item, "archive")
    assert anna.find(old_id) is None
    assert anna.find(item.id) is anna.find(immutable_id) is item


def test_an_item_without_length_is_busy_at_its_moment(anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, NINE)
    assert anna.busy(NINE, TEN) == [item]
    assert anna.busy(NINE - timedelta(hours=1), NINE) == []


def test_properties_are_found_in_the_calendar_only(anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN, properties={KEY: "v"})
    assert anna.by_property(KEY[0].upper(), KEY[1], "v") == [item]
    assert anna.by_property(KEY[0], KEY[1], "V") == []
    anna.delete(item)
    assert anna.by_property(*KEY, "v") == []


def test_addresses_and_user_names_ignore_case(tenant: Tenant, anna: Mailbox) -> None:
    world = World({tenant.slug: tenant})
    assert world.mailbox(ANNA.upper()) is tenant.mailbox("A.Holm@contoso.example") is anna
    assert tenant.mailbox("a.holm@contoso.example", aliases=False) is None
    assert world.tenant_of_account(SERVICE.upper()) is tenant
    assert world.tenant_by_id("CONTOSO.example") is world.tenant_by_id(tenant.tenant_id) is tenant


def test_a_world_survives_json(tenant: Tenant, anna: Mailbox) -> None:
    item = anna.add_item("A", NINE, TEN, properties={KEY: "v"}, attendees=[BEN])
    anna.record_invitation(item, "CreateItem")
    tenant.apps["app"].scope = {ANNA}
    tenant.ews_enabled = False
    data = World({tenant.slug: tenant}).to_dict()
    again = World.from_dict(json.loads(json.dumps(data)))
    assert again.to_dict() == data
    copy = again.mailbox(ANNA)
    assert copy is not None and copy.by_property(*KEY, "v")[0].start == NINE
    assert again.tenants["contoso"].apps["app"].scope == {ANNA}


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Item.from_dict({"subject": "A", "start": "2026-12-01T09:00:00", "end": "2026-12-01T10:00:00"})


def test_a_mailbox_in_an_unknown_state_is_refused(tenant: Tenant) -> None:
    with pytest.raises(ValueError, match="'asleep'"):
        tenant.add_mailbox("x@contoso.example", state="asleep")
