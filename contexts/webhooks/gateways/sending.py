"""One request to an endpoint, as Standard Webhooks describes it (github.com/standard-webhooks/standard-webhooks)."""

import asyncio
from collections import Counter as Count
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx2
import orjson
from prometheus_client import Counter, Histogram

from contexts.webhooks.domain import Attempt, EndpointId, Result, without_free_text
from contexts.webhooks.ports import Request
from shared.domain.errors import InvalidInputError
from shared.domain.ports import Clock
from shared.resilience.outbound import Outbound
from shared.resilience.policy import Timeout
from shared.telemetry.context import WorkContext, current_work, working_as
from shared.telemetry.tracing import traced

TIMEOUT = Timeout(connect=5.0, answer=15.0)
WITHIN = 15.0  # seconds, from the first byte of the connection to the last of the answer that is read
KEPT_BODY = 1024  # bytes of the answer, for the log
KEPT_REQUEST = 4096  # bytes of the request, for the log
KEPT_HEADERS = ("content-type", "date", "location", "retry-after", "server", "x-request-id")
LONGEST_HEADER = 200  # characters
LONGEST_RETRY_AFTER = timedelta(hours=1)
#: Endpoints whose connections are kept for the next request.
KEPT_CLIENTS = 100

SENT = Counter("orderly_webhook_attempts_total", "Requests to webhook endpoints, by how they ended.", ("outcome",))
DURATION = Histogram(
    "orderly_webhook_attempt_duration_seconds",
    "Time from a request to a webhook endpoint to the end of its answer.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0),
)


class Clients:
    """One client per endpoint, so that no endpoint waits for a connection that another one holds.

    A pool for all would also look through the connections of all at each request: with forty busy endpoints that was
    half of what a request cost.
    """

    def __init__(self, *, outbound: Outbound, at_once: int) -> None:
        self._outbound = outbound
        self._at_once = at_once
        self._tls = httpx2.create_ssl_context(trust_env=False)
        self._clients: dict[EndpointId, httpx2.AsyncClient] = {}
        self._in_use: Count[EndpointId] = Count()

    @asynccontextmanager
    async def of(self, endpoint_id: EndpointId) -> AsyncIterator[httpx2.AsyncClient]:
        """Lend the client of an endpoint; those that were not used for the longest are closed when there are many."""
        client = self._clients.pop(endpoint_id, None) or self._outbound.async_client(
            timeout=TIMEOUT, at_most=self._at_once, verify=self._tls
        )
        self._clients[endpoint_id] = client  # at the end: used last
        self._in_use[endpoint_id] += 1
        try:
            yield client
        finally:
            self._in_use[endpoint_id] -= 1
            await self._close_some()

    async def close(self) -> None:
        """Close all."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    async def _close_some(self) -> None:
        while len(self._clients) > KEPT_CLIENTS and (oldest := self._oldest_idle()) is not None:
            del self._in_use[oldest]
            await self._clients.pop(oldest).aclose()

    def _oldest_idle(self) -> EndpointId | None:
        return next((id_ for id_ in self._clients if not self._in_use[id_]), None)


class HttpSender:
    """Sends requests to public addresses only, follows no redirect, and reads no more of an answer than it keeps."""

    def __init__(self, *, outbound: Callable[[], Outbound], at_once: int, now: Clock) -> None:
        self._outbound = outbound
        self._at_once = at_once
        self._now = now
        self._clients: Clients | None = None

    async def __aenter__(self) -> "HttpSender":
        self._clients = Clients(outbound=self._outbound(), at_once=self._at_once)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._clients is not None:
            await self._clients.close()

    async def send(self, request: Request) -> Attempt:
        """Send the request, signed as of now, and return what came of it; raises nothing but a cancellation.

        It is a span of the work that the event belongs to, whose trace goes on at the endpoint.
        """
        work = WorkContext(
            correlation_id=request.correlation_id, causation_id=request.message_id, traceparent=request.traceparent
        )
        with working_as(work), traced(f"webhook {request.topic}", kind="producer"):
            return await self._send(request)

    async def _send(self, request: Request) -> Attempt:
        began_at = self._now()
        body = b"" if request.payload is None else body_of(request)
        headers = {} if request.payload is None else headers_of(request, body=body, at=began_at)
        result = await self._result_of(request, headers=headers, body=body)
        ended_at = self._now()
        SENT.labels("taken" if result.is_success else result.error or f"{(result.status or 0) // 100}xx").inc()
        DURATION.observe((ended_at - began_at).total_seconds())
        return Attempt(
            delivery_id=request.delivery_id,
            began_at=began_at,
            ended_at=ended_at,
            url=request.url,
            headers=headers,
            body=body[:KEPT_REQUEST].decode(errors="replace"),
            result=result,
        )

    async def _result_of(self, request: Request, *, headers: Mapping[str, str], body: bytes) -> Result:
        if request.payload is None:
            return Result(error="event_not_found")
        try:
            async with asyncio.timeout(WITHIN):
                return await self._exchange(request, headers=headers, body=body)
        except InvalidInputError as refusal:
            return Result(error=refusal.code)
        except (TimeoutError, httpx2.TimeoutException):
            return Result(error="timeout")
        except httpx2.ConnectError:
            return Result(error="connection_failed")
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Result(error="connection_broken")

    async def _exchange(self, request: Request, *, headers: Mapping[str, str], body: bytes) -> Result:
        assert self._clients is not None, "enter the sender first"  # noqa: S101 - a mistake of our own
        async with (
            self._clients.of(request.endpoint_id) as client,
            client.stream("POST", request.url, content=body, headers=headers) as response,
        ):
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
    """Return the headers: one signature per secret, and the trace of the work in hand."""
    signatures = (
        secret.sign(message_id=request.message_id, at=at, body=body)
        for secret in request.secrets
        if secret.is_good(at=at)
    )
    return current_work().headers | {
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
