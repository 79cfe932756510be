"""For the test suite: as in development, with throw-away servers of its own and cheap passwords."""

import atexit
import os
import sys
from datetime import timedelta


def _start_servers() -> None:
    """Start PostgreSQL and Valkey for this test run; the children of the run inherit their addresses."""
    from shared.embedded import ThrowawayServers

    servers = ThrowawayServers()
    os.environ.update(servers.urls)
    atexit.register(servers.stop)


if "pytest" in sys.modules and not {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
    _start_servers()
os.environ.setdefault("DATABASE_URL", "postgresql://nobody@localhost/not-needed")
os.environ.setdefault("REDIS_URL", "redis://localhost/not-needed")

from config.settings.dev import *  # noqa: E402, F403
from config.settings.dev import INSTALLED_APPS, LOGGING  # noqa: E402

CATALOG_REMEMBERED = 0  # each test sees what it has just changed; those of the cache ask for it
API_KEYS_REMEMBERED = timedelta()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
PSP_SIMULATOR_URL = "http://127.0.0.1:9"  # nobody listens there: tests that need a simulator start one
LOGGING["root"]["level"] = "CRITICAL"
LOGGING["loggers"]["django_structlog"]["level"] = "CRITICAL"
INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]
