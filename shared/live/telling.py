"""Tells the web processes whose clients follow something that it has changed.

By a message on Valkey, on a channel of its own for each thing, so that only those hear of it who asked. One that is
lost is made good by the followers, who look by themselves every two seconds.
"""

from functools import cache, partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from shared.resilience.brief_valkey import BriefValkey

CHANGED: Final = "orderly:changed:"  # and the id of what has changed: the channel of its followers


def tell_followers_after_commit(key: UUID) -> None:
    """Have those who follow this told, once the current transaction is committed, that it has changed."""
    transaction.on_commit(partial(_tell, key))


def _tell(key: UUID) -> None:
    valkey = _valkey_at(settings.REDIS_URL)
    valkey.ask(valkey.client.publish, f"{CHANGED}{key}", b"")


@cache
def _valkey_at(url: str) -> BriefValkey:
    return BriefValkey(url=url, complaint="followers_not_told")
