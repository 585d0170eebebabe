"""The only reader of the environment. Every variable is named in .env.example."""

import base64
import binascii
import math
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(ROOT / ".env")


def required(name: str, hint: str) -> str:
    """The variable, or a start-up error that says how to get one."""
    value = str(env.str(name, default=""))
    if not value:
        raise ImproperlyConfigured(f"Set the environment variable {name}: {hint} See .env.example.")
    return value


def seconds(name: str, default: float) -> float:
    """The variable: seconds, at least 0. Raises ImproperlyConfigured for anything else."""
    text = str(env.str(name, default=str(default)))
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ImproperlyConfigured(f'{name} is "{text}"; give seconds, at least 0. See .env.example.')
    return value


def encryption_keys(value: str) -> list[bytes]:
    """Comma-separated base64, 32 bytes each; the first encrypts, all decrypt.

    Raises ImproperlyConfigured, which never repeats the value.
    """
    keys = [_key(part.strip(), position) for position, part in enumerate(value.split(","), start=1)]
    if len(set(keys)) != len(keys):
        raise ImproperlyConfigured("ENCRYPTION_KEYS names the same key twice.")
    return keys


def _key(text: str, position: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise ImproperlyConfigured(f"ENCRYPTION_KEYS: key {position} is not base64 of 32 bytes.")
    return key
