"""AES-256-GCM under settings.ENCRYPTION_KEYS: the first key encrypts, every key decrypts."""

import base64
import binascii
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE_BYTES = 12


class DecryptionError(Exception):
    """Stored text that no key of ENCRYPTION_KEYS opens, or that was tampered with or moved."""


def encrypt(plain: bytes, context: str) -> str:
    """``keyid:base64(nonce + ciphertext)``. It opens only with the same ``context`` again."""
    key = settings.ENCRYPTION_KEYS[0]
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, plain, context.encode())
    return f"{key_id(key)}:{base64.b64encode(sealed).decode()}"


def decrypt(text: str, context: str) -> bytes:
    """What was encrypted. Raises DecryptionError, which names ``context`` and never the content."""
    key, sealed = _key(text, context), _sealed(text, context)
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError):
        raise DecryptionError(f"{context}: the stored text was changed or belongs elsewhere.") from None


def uses_old_key(text: str) -> bool:
    """Whether ``text`` was encrypted with another key than the first."""
    return text.partition(":")[0] != key_id(settings.ENCRYPTION_KEYS[0])


def key_id(key: bytes) -> str:
    """Eight hexadecimal digits that tell keys apart and say nothing about them."""
    return hashlib.sha256(b"key id:" + key).hexdigest()[:8]


def _key(text: str, context: str) -> bytes:
    wanted = text.partition(":")[0]
    for key in settings.ENCRYPTION_KEYS:
        if key_id(key) == wanted:
            return bytes(key)
    raise DecryptionError(f"{context}: ENCRYPTION_KEYS lacks the key that encrypted it.")


def _sealed(text: str, context: str) -> bytes:
    try:
        return base64.b64decode(text.partition(":")[2], validate=True)
    except (binascii.Error, ValueError):
        raise DecryptionError(f"{context}: the stored text is damaged.") from None
