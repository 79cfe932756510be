"""Answer the HTTP contract: who may ask, what each path means, and how every refusal looks."""

import asyncio
import hmac
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from contexts.payments.simulator.books import Books
from contexts.payments.simulator.commands import Authorise, Capture, Command, Refund, Void
from contexts.payments.simulator.faults import DEFAULT_MS, Fault, FaultKind, Faults
from contexts.payments.simulator.operations import Operations
from contexts.payments.simulator.outbox import Outbox, Target
from contexts.payments.simulator.payload import Payload, Query
from contexts.payments.simulator.refusals import InvalidRequest, NoAnswer, Refusal
from contexts.payments.simulator.webhooks import Dispatcher
from contexts.payments.simulator.wire import (
    Receive,
    Request,
    Response,
    Scope,
    Send,
    as_json,
    break_connection,
    read_request,
    send_response,
)

logger = logging.getLogger("psp_simulator")

MAX_SEQUENCE = 10**18 - 1
MAX_PAGE = 1_000
#: What a client may tell of the work that a request belongs to, by its name in the log.
TRACE_HEADERS = {"traceparent": b"traceparent", "correlation_id": b"x-correlation-id"}
KEY_PATTERN = re.compile(rb"[!-~]{1,255}")


class Unauthorized(Refusal):
    """Send the secret key of the account as a bearer token."""

    status, code = 401, "unauthorized"


class NotFound(Refusal):
    """There is nothing at this path."""

    status, code = 404, "not_found"


class MethodNotAllowed(Refusal):
    """The path does not take this method."""

    status, code = 405, "method_not_allowed"

    def __init__(self, *, allowed: str) -> None:
        super().__init__()
        self.allowed = allowed


class IdempotencyKeyRequired(Refusal):
    """Send an Idempotency-Key header with every operation."""

    status, code = 400, "idempotency_key_required"


class IdempotencyKeyInvalid(Refusal):
    """An Idempotency-Key has 1 to 255 visible ASCII characters."""

    status, code = 400, "idempotency_key_invalid"


class InternalError(Refusal):
    """Something unexpected went wrong."""

    status, code = 500, "internal_error"


Handler = Callable[[Request, str], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path, and what each method does there with the part of the path in parentheses."""

    pattern: re.Pattern[str]
    handlers: dict[str, Handler]


class Application:
    """Be the ASGI application of the simulator."""

    def __init__(
        self,
        *,
        secret: str,
        books: Books,
        operations: Operations,
        faults: Faults,
        dispatcher: Dispatcher,
        outbox: Outbox,
    ) -> None:
        self._authorization = b"Bearer " + secret.encode()
        self._books = books
        self._operations = operations
        self._faults = faults
        self._dispatcher = dispatcher
        self._outbox = outbox
        self.idle = asyncio.Event()
        self.idle.set()
        self._open_requests = 0
        self._routes = self._all_routes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._open_requests += 1
        self.idle.clear()
        try:
            await send_response(response=await self._respond(scope, receive), send=send)
        except NoAnswer:
            break_connection(scope=scope)
        finally:
            self._open_requests -= 1
            if not self._open_requests:
                self.idle.set()

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        try:
            request = await read_request(scope=scope, receive=receive)
            return await self._answer(request)
        except Refusal as refusal:
            return _refused(refusal)
        except NoAnswer:
            raise
        except Exception:
            logger.exception("unexpected")
            return _refused(InternalError())

    async def _answer(self, request: Request) -> Response:
        if request.path != "/healthz":
            sent = request.headers.get(b"authorization", b"")
            if not hmac.compare_digest(sent, self._authorization):
                raise Unauthorized
        for route in self._routes:
            if match := route.pattern.fullmatch(request.path):
                handler = route.handlers.get(request.method)
                if handler is None:
                    raise MethodNotAllowed(allowed=", ".join(sorted(route.handlers)))
                return await handler(request, match[1] if match.lastindex else "")
        raise NotFound

    def _all_routes(self) -> tuple[Route, ...]:
        one = "/v1/authorizations/([^/]+)"
        paths: dict[str, dict[str, Handler]] = {
            "/v1/authorizations": {"POST": self._authorise},
            one: {"GET": self._authorization_of},
            f"{one}/captures": {"POST": self._capture},
            f"{one}/refunds": {"POST": self._refund},
            f"{one}/void": {"POST": self._void},
            "/v1/operations/(.+)": {"GET": self._operation},
            "/v1/ledger": {"GET": self._entries},
            "/v1/ledger/summary": {"GET": self._summary},
            "/healthz": {"GET": self._health},
            "/_control/faults": {
                "GET": self._list_faults,
                "POST": self._add_fault,
                "DELETE": self._clear_faults,
            },
            "/_control/approve/([^/]+)": {"POST": self._approve},
            "/_control/decline/([^/]+)": {"POST": self._decline},
            "/_control/webhook": {"PUT": self._set_webhook},
        }
        return tuple(Route(pattern=re.compile(path, re.DOTALL), handlers=handlers) for path, handlers in paths.items())

    async def _authorise(self, request: Request, _: str) -> Response:
        payload = Payload.of(body=request.body, known=("amount", "currency", "token", "reference"))
        command = Authorise(
            amount=payload.amount(),
            currency=payload.currency(),
            token=payload.text(name="token"),
            reference=payload.text(name="reference"),
        )
        return await self._perform(request, command)

    async def _capture(self, request: Request, authorization_id: str) -> Response:
        payload = Payload.of(body=request.body, known=("amount",))
        command = Capture(authorization_id=authorization_id, amount=payload.amount())
        return await self._perform(request, command)

    async def _refund(self, request: Request, authorization_id: str) -> Response:
        payload = Payload.of(body=request.body, known=("amount", "capture_id"))
        command = Refund(
            authorization_id=authorization_id,
            amount=payload.amount(),
            capture_id=payload.optional_text(name="capture_id"),
        )
        return await self._perform(request, command)

    async def _void(self, request: Request, authorization_id: str) -> Response:
        Payload.of(body=request.body, known=())
        return await self._perform(request, Void(authorization_id=authorization_id))

    async def _perform(self, request: Request, command: Command) -> Response:
        sent = request.headers.get(b"idempotency-key")
        if not sent:
            raise IdempotencyKeyRequired
        if not KEY_PATTERN.fullmatch(sent):
            raise IdempotencyKeyInvalid
        trace = {
            field: request.headers[header].decode("ascii", "replace")
            for field, header in TRACE_HEADERS.items()
            if header in request.headers
        }
        answer = await self._operations.perform(key=sent.decode("ascii"), command=command, trace=trace)
        headers = ((b"idempotency-replayed", b"true"),) if answer.replayed else ()
        return Response(status=answer.status, body=answer.body, headers=headers)

    async def _authorization_of(self, _: Request, authorization_id: str) -> Response:
        authorization = self._books.authorization(authorization_id=authorization_id)
        return as_json(content=authorization.as_json())

    async def _operation(self, _: Request, key: str) -> Response:
        return as_json(content=self._operations.lookup(key=key))

    async def _entries(self, request: Request, _: str) -> Response:
        query = Query.of(query=request.query)
        limit = query.integer(name="limit", least=1, most=MAX_PAGE, default=100)
        after = query.integer(name="after", least=0, most=MAX_SEQUENCE, default=0)
        reference = query.optional_text(name="reference")
        self._books.settle_due_actions()
        found = self._books.ledger.entries(after=after, limit=limit + 1, reference=reference)
        page = found[:limit]
        next_after = page[-1].sequence if len(found) > limit else None
        return as_json(content={"entries": [entry.as_json() for entry in page], "next_after": next_after})

    async def _summary(self, _: Request, __: str) -> Response:
        self._books.settle_due_actions()
        ledger = self._books.ledger
        summary = {
            "authorizations": ledger.authorization_totals(),
            "entries": ledger.entry_totals(),
            "webhooks": self._outbox.totals(),
        }
        return as_json(content=summary)

    async def _health(self, _: Request, __: str) -> Response:
        return as_json(content={"status": "ok"})

    async def _list_faults(self, _: Request, __: str) -> Response:
        return as_json(content={"faults": [fault.as_json() for fault in self._faults.active()]})

    async def _add_fault(self, request: Request, _: str) -> Response:
        payload = Payload.of(body=request.body, known=("kind", "count", "ms"))
        name = payload.text(name="kind")
        if name not in list(FaultKind):
            raise InvalidRequest(f"kind must be one of {', '.join(FaultKind)}.")
        kind = FaultKind(name)
        fault = Fault(
            kind=kind,
            count=payload.integer(name="count", least=1, most=1_000_000, default=1),
            ms=payload.integer(name="ms", least=0, most=600_000, default=DEFAULT_MS.get(kind, 0)),
        )
        self._faults.add(fault=fault)
        return as_json(status=201, content=fault.as_json())

    async def _clear_faults(self, _: Request, __: str) -> Response:
        self._faults.clear()
        return as_json(content={"faults": []})

    async def _approve(self, _: Request, authorization_id: str) -> Response:
        return as_json(content=self._books.approve(authorization_id=authorization_id).as_json())

    async def _decline(self, _: Request, authorization_id: str) -> Response:
        return as_json(content=self._books.decline(authorization_id=authorization_id).as_json())

    async def _set_webhook(self, request: Request, _: str) -> Response:
        payload = Payload.of(body=request.body, known=("url", "secret"))
        target = Target(url=payload.url(name="url"), secret=payload.text(name="secret"))
        self._dispatcher.send_to(target=target)
        return as_json(content={"url": target.url})


def _refused(refusal: Refusal) -> Response:
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(refusal, Unauthorized):
        headers = ((b"www-authenticate", b"Bearer"),)
    elif isinstance(refusal, MethodNotAllowed):
        headers = ((b"allow", refusal.allowed.encode()),)
    return Response(status=refusal.status, body=refusal.as_body(), headers=headers)
