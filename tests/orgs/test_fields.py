import base64
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from orgs.crypto import DecryptionError, decrypt, encrypt, key_id, uses_old_key
from orgs.fields import EncryptedJSONField
from orgs.models import Org

OLD, NEW = b"o" * 32, b"n" * 32
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
json_values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)
documents = st.dictionaries(st.text(), json_values) | st.lists(json_values)
FIELD: Any = Org._meta.get_field("options")


def stored(org: Org) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT options FROM orgs_org WHERE id = %s", [org.pk])
        return str(cursor.fetchone()[0])


def write(org: Org, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orgs_org SET options = %s WHERE id = %s", [text, org.pk])


@examples(deadline=None, max_examples=50)
@given(documents)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert FIELD.from_db_value(FIELD.get_prep_value(value), None, connection) == value


@examples(deadline=None, max_examples=50)
@given(documents, st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_changed_byte_is_noticed(value: Any, position: int, difference: int) -> None:
    key, _, sealed = FIELD.get_prep_value(value).partition(":")
    raw = bytearray(base64.b64decode(sealed))
    raw[position % len(raw)] ^= difference
    with pytest.raises(DecryptionError):
        FIELD.to_python(f"{key}:{base64.b64encode(raw).decode()}")


@examples(deadline=None)
@given(st.text())
def test_no_other_text_is_taken_for_a_value(text: str) -> None:
    with pytest.raises(DecryptionError):
        FIELD.to_python(text)


def test_the_same_value_is_never_encrypted_alike() -> None:
    assert FIELD.get_prep_value({}) != FIELD.get_prep_value({})


def test_the_database_holds_no_option_readably(org: Org) -> None:
    assert stored(org).startswith(f"{key_id(b'test-key-of-32-bytes-not-secret!')}:")
    assert "sesame" not in stored(org)
    assert Org.objects.get().options["password"] == "sesame-of-the-mailboxes"


def test_ciphertext_cannot_be_moved_to_another_column() -> None:
    text = encrypt(b"{}", "scheduler_api.Event.content")
    with pytest.raises(DecryptionError, match=r"orgs\.Org\.options"):
        FIELD.to_python(text)


def test_an_old_key_decrypts_and_the_first_encrypts(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    text = encrypt(b"x", "here")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert decrypt(text, "here") == b"x"
    assert uses_old_key(text)
    assert not uses_old_key(encrypt(b"x", "here"))


def test_without_its_key_an_org_cannot_be_read(org: Org, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(DecryptionError, match="lacks the key"):
        Org.objects.get()


def test_damaged_text_cannot_be_read(org: Org) -> None:
    write(org, stored(org) + "*")
    with pytest.raises(DecryptionError, match="damaged"):
        Org.objects.get()


@pytest.mark.parametrize("lookup", ["options", "options__contains", "options__password", "options__in"])
def test_the_field_cannot_be_searched(org: Org, lookup: str) -> None:
    with pytest.raises(FieldError):
        Org.objects.filter(**{lookup: {}}).first()


def test_null_can_be_searched_for(org: Org) -> None:
    assert Org.objects.filter(options__isnull=False).count() == 1


@pytest.mark.parametrize("value", ["text", 5, True])
def test_only_objects_and_lists_are_stored(value: Any) -> None:
    with pytest.raises(TypeError, match="JSON object or list"):
        FIELD.get_prep_value(value)


def test_a_fixture_holds_ciphertext_and_can_be_loaded(org: Org) -> None:
    text = serializers.serialize("json", [org])
    assert "sesame" not in text
    (loaded,) = serializers.deserialize("json", text)
    assert vars(loaded.object)["options"] == org.options


def test_the_field_is_in_no_generated_form() -> None:
    assert not EncryptedJSONField().editable
