"""What views do for clients that want to hear of changes: a stream of events, and ``Prefer: wait``."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shared.domain.errors import DomainError, InvalidInputError
from shared.http.auth import Caller, authenticate, caller_of
from shared.http.problems import Problem, problem_response
from shared.live.holds import Hold
from shared.live.news import MEDIA_TYPE, START, Feed, retry_hint
from shared.live.service import EXTRA, Live
from shared.live.streams import Stream
from shared.server.exchange import CONTINUATION

LASTS: Final = 300.0  # seconds; then the client connects again, and is asked for its token again
RETRY: Final = 2000  # milliseconds
MOST_WAIT: Final = 10  # seconds
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
POSITION: Final = re.compile(r"[0-9]{1,9}-[0-9]{1,9}")
TOO_MANY: Final = Problem(
    status=429,
    code="too_many_streams",
    detail="You have as many open streams as one caller may have; close one of them.",
    headers={"Retry-After": "5"},
)
_WAIT: Final = re.compile(r'\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;.*)?', re.IGNORECASE)


#: Raises a DomainError unless the caller may see the thing.
RequireVisible = Callable[[Caller, UUID], None]


class InvalidLastEventId(InvalidInputError):
    """Last-Event-ID has to be the id of an event of this stream; leave it out to begin at the first event."""

    pointer = "/headers/last-event-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPermit:
    """The permit of who presented a token: it is good as long as the token is, and the thing is theirs to see."""

    token: str = field(repr=False)
    key: UUID
    require_visible: RequireVisible

    def __call__(self) -> bool:
        """Ask again."""
        try:
            self.require_visible(authenticate(self.token), self.key)
        except DomainError:
            return False
        return True


def event_stream(request: HttpRequest, *, feed: Feed, key: UUID, require_visible: RequireVisible) -> HttpResponse:
    """Answer with the events after Last-Event-ID, and keep the answer open for those that follow.

    ``require_visible`` raises a DomainError unless the caller may see the thing; it is asked again before each batch.

    A server that cannot keep it open ends it after what there is; a client then comes back by itself. Where nothing
    can follow, a client that comes back is told to stay away (204, as the HTML standard has it).
    """
    caller = caller_of(request)
    require_visible(caller, key)
    position = _last_event_id(request)
    news = feed([(key, position)]).get((key, position))
    if position != START and news is not None and news.is_last and not news.events:
        return HttpResponse(status=204)
    body = retry_hint(RETRY) + (news.encode() if news else b"")
    response = HttpResponse(body, content_type=MEDIA_TYPE, headers=STREAM_HEADERS)
    live: Live | None = request.META.get(EXTRA)
    if live is None or (news is not None and news.is_last) or request.META["REQUEST_METHOD"] == "HEAD":
        return response
    if not live.takes_streams:
        return response
    place = live.take_place(caller.actor, most=_most_streams_of(caller))
    if place is None:
        return problem_response(request, TOO_MANY)
    request.META[CONTINUATION] = Stream(
        live=live,
        place=place,
        feed=feed,
        key=key,
        position=news.position if news else position,
        permit=TokenPermit(token=_token_of(request), key=key, require_visible=require_visible),
        lasts=_lasts(caller),
    )
    return response


def hold_for_news(
    request: HttpRequest, response: HttpResponse, *, feed: Feed, key: UUID, answer_anew: Callable[[], HttpResponse]
) -> HttpResponse:
    """Hold the answer back as long as the client prefers to wait, or until there is news (RFC 7240, section 4.3)."""
    seconds = _wait_of(request)
    live: Live | None = request.META.get(EXTRA)
    if live is None or not seconds:
        return response
    response["Preference-Applied"] = f"wait={seconds}"
    request.META[CONTINUATION] = Hold(live=live, feed=feed, key=key, seconds=seconds, answer_anew=answer_anew)
    return response


def described_stream(description: str) -> dict[str, Any]:
    """Describe a stream of events for OpenAPI."""
    return {
        "parameters": [
            {
                "in": "header",
                "name": "Last-Event-ID",
                "required": False,
                "schema": {"type": "string", "pattern": f"^{POSITION.pattern}$"},
                "description": "id of the last event that you got; the stream goes on after it",
            }
        ],
        "responses": {
            200: {"description": description, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
            204: {"description": "You have everything, and nothing can follow."},
        },
    }


def _last_event_id(request: HttpRequest) -> str:
    given = request.headers.get("Last-Event-ID", START).strip()
    if given != START and not POSITION.fullmatch(given):
        raise InvalidLastEventId
    return given


def _token_of(request: HttpRequest) -> str:
    return request.headers["Authorization"].partition(" ")[2]


def _most_streams_of(caller: Caller) -> int:
    most: int = settings.MOST_STREAMS_OF_A_KEY if caller.kind == "key" else settings.MOST_STREAMS_OF_A_PERSON
    return most


def _lasts(caller: Caller) -> float:
    if caller.expires_at is None:
        return LASTS
    return min(LASTS, max((caller.expires_at - datetime.now(UTC)).total_seconds(), 0.0))


def _wait_of(request: HttpRequest) -> int:
    """Return how many seconds the client prefers to wait, ten at most; the first such preference counts."""
    for preference in request.headers.get("Prefer", "").split(","):
        if found := _WAIT.fullmatch(preference):
            return min(int(found[1]), MOST_WAIT)
    return 0
