"""Periodic work of identity."""

from typing import Any

from celery import shared_task

from contexts.identity import wiring


@shared_task(name="identity.forget_expired_tokens")
def forget_expired_tokens(**_: Any) -> None:
    """Delete refresh tokens that ran out; meant for once an hour."""
    wiring.forget_expired_tokens()


@shared_task(name="identity.finish_erasures")
def finish_erasures(**_: Any) -> None:
    """Forget what came in after an erasure; meant for once an hour."""
    wiring.finish_erasures()


@shared_task(name="identity.forget_link_requests")
def forget_link_requests(**_: Any) -> None:
    """Delete wishes for links that are a day old; meant for once an hour."""
    wiring.forget_link_requests()
