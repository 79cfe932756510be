import asyncio
import signal
from typing import Any

import structlog
from django.core.management.base import BaseCommand

from contexts.webhooks.management.sender import Sender
from contexts.webhooks.wiring import (
    MOST_REQUESTS,
    claim_deliveries,
    fan_out,
    fulfil_replays,
    sender,
    settle_attempts,
)

_log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Tell webhook endpoints what happened until told to stop."""

    help = "Turn events into requests to webhook endpoints. Any number of senders may run."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        _log.info("webhooks_started")
        asyncio.run(self._run())
        _log.info("webhooks_stopped")

    async def _run(self) -> None:
        running = Sender(
            http=sender,
            find_work=(fan_out, fulfil_replays),
            claim=claim_deliveries,
            settle=settle_attempts,
            at_most=MOST_REQUESTS,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.stop)
        await running.run()
