"""The system with handlers that hang, and little patience."""

from datetime import timedelta

from config.settings.dev import *  # noqa: F403
from config.settings.dev import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.journeys.hanging"]
WORK_TIME_LIMIT = timedelta(seconds=4)
# As in earnest, PostgreSQL loses patience first, so that the row is free when the failure is counted.
DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=2s"  # type: ignore[index]
