"""For the tests. TEST_DATABASE_URL and TEST_CACHE_URL run them on PostgreSQL and Redis."""

import tempfile
from pathlib import Path

from config.env import encryption_keys, env
from config.settings.base import *  # noqa: F403
from config.settings.base import database

ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
SECRET_KEY = "for-tests-only"  # noqa: S105
ENCRYPTION_KEYS = encryption_keys("dGVzdC1rZXktb2YtMzItYnl0ZXMtbm90LXNlY3JldCE=")
# Fast: a test makes many clients.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A file, not memory: the server under test and the test itself have connections of their own.
_folder = Path(tempfile.gettempdir()) / "scheduler-adapter-tests"
_folder.mkdir(exist_ok=True)
DATABASES = {
    "default": database(env.str("TEST_DATABASE_URL", default=f"sqlite:///{_folder / 'unused.sqlite3'}"))
}
DATABASES["default"]["CONN_MAX_AGE"] = 0
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}
CACHES = {"default": env.cache_url("TEST_CACHE_URL", default="dbcache://scheduler_cache")}
