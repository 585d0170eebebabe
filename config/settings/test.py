"""For the tests. TEST_DATABASE_URL and TEST_CACHE_URL run them on PostgreSQL and Redis."""

import atexit
import shutil
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
_folder = Path(tempfile.mkdtemp(prefix="scheduler-adapter-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
DATABASES = {
    "default": database(env.str("TEST_DATABASE_URL", default=f"sqlite:///{_folder / 'unused.sqlite3'}"))
}
DATABASES["default"]["CONN_MAX_AGE"] = 0
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}
# {worker} is the number of the test process: each has a cache of its own, and may clear it.
_cache = env.str("TEST_CACHE_URL", default="dbcache://scheduler_cache")
_worker = env.str("PYTEST_XDIST_WORKER", default="gw0").removeprefix("gw")
CACHES = {"default": env.cache_url_config(_cache.format(worker=_worker))}
