"""An answer that is held back until there is news, or the client has waited for as long as it wanted to."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import connections
from django.http import HttpResponse

from shared.live.news import START, Feed
from shared.live.service import Live
from shared.server.exchange import Exchange, Headers, send_answer

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A continuation that waits for the first news, and answers with how things stand then.

    It takes no thread while it waits. Whatever fails, the answer that there already is gets sent.
    """

    live: Live
    feed: Feed
    key: UUID
    seconds: float
    answer_anew: Callable[[], HttpResponse]

    async def __call__(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        follower = self.live.hub.follow(feed=self.feed, key=self.key, position=START)
        try:
            news = await follower.news(within=self.seconds)
        finally:
            self.live.hub.leave(follower)
        if news is None:
            exchange.send()
            return
        try:
            response = await exchange.in_thread(self._answer_anew)
        except Exception as error:  # noqa: BLE001 - what was accepted stays accepted
            _log.warning("held_answer_not_renewed", error=f"{type(error).__name__}: {error}")
            exchange.send()
            return
        headers = _renewed(exchange.headers, response)
        send_answer(exchange.protocol, response.status_code, headers, response.content)

    def _answer_anew(self) -> HttpResponse:
        try:
            return self.answer_anew()
        finally:
            connections.close_all()  # back to the pool


def _renewed(headers: Headers, response: HttpResponse) -> Headers:
    """Return the headers of the first answer, with those of the renewed one in their places."""
    anew = {name.lower(): (name, value) for name, value in response.items()}
    anew["content-length"] = ("Content-Length", str(len(response.content)))
    return [pair for pair in headers if pair[0].lower() not in anew] + list(anew.values())
