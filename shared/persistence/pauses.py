"""How long to pause before the next attempt."""

import random
from datetime import timedelta

FIRST_PAUSE = 0.5  # seconds
LONGEST_PAUSE = 900.0  # seconds


def pause_after(attempts: int) -> timedelta:
    """Return an exponentially growing pause with jitter ("equal jitter", AWS Architecture Blog, 2015)."""
    ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 20))
    return timedelta(seconds=ceiling / 2 + random.uniform(0, ceiling / 2))  # noqa: S311 - not a secret
