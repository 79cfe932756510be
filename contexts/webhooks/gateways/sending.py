"""One request to an endpoint, as Standard Webhooks describes it (github.com/standard-webhooks/standard-webhooks)."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import httpx2
import orjson
from prometheus_client import Counter, Histogram

from contexts.webhooks.domain import Attempt, Result, without_free_text
from contexts.webhooks.ports import Request
from shared.domain.errors import InvalidInputError
from shared.domain.ports import Clock
from shared.resilience.outbound import Outbound
from shared.resilience.policy import Timeout
from shared.telemetry.context import WorkContext

TIMEOUT = Timeout(connect=5.0, answer=15.0)
WITHIN = 15.0  # seconds, from the first byte of the connection to the last of the answer that is read
KEPT_BODY = 1024  # bytes of the answer, for the log
KEPT_HEADERS = ("content-type", "date", "location", "retry-after", "server", "x-request-id")
LONGEST_HEADER = 200  # characters
LONGEST_RETRY_AFTER = timedelta(hours=1)

SENT = Counter("orderly_webhook_attempts_total", "Requests to webhook endpoints, by how they ended.", ("outcome",))
DURATION = Histogram(
    "orderly_webhook_attempt_duration_seconds",
    "Time from a request to a webhook endpoint to the end of its answer.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0),
)


class HttpSender:
    """Sends requests to public addresses only, follows no redirect, and reads no more of an answer than it keeps."""

    def __init__(self, *, outbound: Callable[[], Outbound], at_most: int, now: Clock) -> None:
        self._outbound = outbound
        self._at_most = at_most
        self._now = now
        self._client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> "HttpSender":
        self._client = self._outbound().async_client(timeout=TIMEOUT, at_most=self._at_most)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def send(self, request: Request) -> Attempt:
        """Send the request, signed as of now, and return what came of it; raises nothing but a cancellation."""
        began_at = self._now()
        result = await self._result_of(request, at=began_at)
        ended_at = self._now()
        SENT.labels("taken" if result.is_success else result.error or f"{(result.status or 0) // 100}xx").inc()
        DURATION.observe((ended_at - began_at).total_seconds())
        return Attempt(
            delivery_id=request.delivery_id, began_at=began_at, ended_at=ended_at, url=request.url, result=result
        )

    async def _result_of(self, request: Request, *, at: datetime) -> Result:
        if request.payload is None:
            return Result(error="event_not_found")
        body = body_of(request)
        try:
            async with asyncio.timeout(WITHIN):
                return await self._exchange(request.url, headers=headers_of(request, body=body, at=at), body=body)
        except InvalidInputError as refusal:
            return Result(error=refusal.code)
        except (TimeoutError, httpx2.TimeoutException):
            return Result(error="timeout")
        except httpx2.ConnectError:
            return Result(error="connection_failed")
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Result(error="connection_broken")

    async def _exchange(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Result:
        assert self._client is not None, "enter the sender first"  # noqa: S101 - a mistake of our own
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            kept = b""
            async for part in response.aiter_raw():
                kept += part
                if len(kept) >= KEPT_BODY:
                    break
            return Result(
                status=response.status_code,
                headers={
                    name: response.headers[name][:LONGEST_HEADER] for name in KEPT_HEADERS if name in response.headers
                },
                body=kept[:KEPT_BODY].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}"),
                retry_after=retry_after_of(response.headers.get("retry-after", "")),
            )


def body_of(request: Request) -> bytes:
    """Return what is sent: what happened, when, and what is to be known of it."""
    return orjson.dumps(
        {"type": request.topic, "timestamp": request.occurred_at, "data": without_free_text(request.payload or {})},
        option=orjson.OPT_UTC_Z,
    )


def headers_of(request: Request, *, body: bytes, at: datetime) -> dict[str, str]:
    """Return the headers: one signature per secret, and the trace of the work that the event belongs to."""
    work = WorkContext(correlation_id=request.correlation_id, traceparent=request.traceparent)
    signatures = (
        secret.sign(message_id=request.message_id, at=at, body=body)
        for secret in request.secrets
        if secret.is_good(at=at)
    )
    return work.headers | {
        "content-type": "application/json",
        "webhook-id": request.message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def retry_after_of(text: str) -> timedelta:
    """Return the pause that an endpoint asks for in seconds (RFC 9110, section 10.2.3), an hour at most."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        return timedelta()
    return min(timedelta(seconds=int(text)), LONGEST_RETRY_AFTER)
