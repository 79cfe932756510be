"""``Idempotency-Key`` for both APIs (IETF draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Status
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback

from shared.domain.errors import (
    BusinessRuleViolationError,
    ConflictError,
    DomainError,
    InvalidInputError,
    NotAuthenticatedError,
    PermissionDeniedError,
)
from shared.http.auth import caller_of
from shared.http.documented import IDEMPOTENCY_KEY
from shared.http.json import json_response
from shared.http.problems import RETRY_AFTER, problem_of, problem_response
from shared.idempotency.keys import Answer, claim, store_answer
from shared.persistence.encryption import decrypt, encrypt
from shared.persistence.unit_of_work import in_transaction_with_retry

KEPT_HEADERS = ("Content-Type", "Location", "ETag")
MAX_KEY_LENGTH = 255  # characters


class IdempotencyKeyRequired(BusinessRuleViolationError):
    """Send an Idempotency-Key header: a value of your own, new for each intent and the same for each retry."""


class IdempotencyKeyInvalid(InvalidInputError):
    """An Idempotency-Key has between 1 and 255 printable ASCII characters."""

    pointer = "/headers/idempotency-key"


class IdempotencyKeyReused(InvalidInputError):
    """This Idempotency-Key was sent before with another request; use a new one."""

    pointer = "/headers/idempotency-key"


class IdempotencyKeyInUse(ConflictError):
    """The first request with this Idempotency-Key is still running; ask again in a moment."""


def idempotent(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """Give a Ninja operation its effect once per caller and key, and the same answer each time."""

    @wraps(view)
    def operation(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return answer_once(
            request, caller=caller_of(request).actor, run=lambda: _response_of(view(request, *args, **kwargs))
        )

    contribute_operation_callback(operation, _document_key)
    return operation


def answer_once(
    request: HttpRequest,
    *,
    caller: str,
    run: Callable[[], HttpResponse],
    required: bool = True,
    is_secret: bool = False,
) -> HttpResponse:
    """Run the request in one transaction with its key, or replay the answer that it got before.

    A refusal undoes the effect and is kept as the answer; a failure (5xx) is not kept, so that a retry
    tries again. An answer that ``is_secret``, for it shows a new secret, is kept encrypted.
    """
    key = key_of(request, required=required)
    if key is None:
        return in_transaction_with_retry(run)
    use = _Use(caller=caller, key=key, fingerprint=_fingerprint_of(request), is_secret=is_secret)
    try:
        return in_transaction_with_retry(lambda: _claim_and_run(use, run))
    except (IdempotencyKeyInUse, IdempotencyKeyReused, NotAuthenticatedError, PermissionDeniedError):
        raise
    except DomainError as refusal:
        response = problem_response(request, problem_of(refusal))
        return in_transaction_with_retry(lambda: _claim_and_run(use, lambda: response))


def key_of(request: HttpRequest, *, required: bool) -> str | None:
    """Return the key; raise IdempotencyKeyRequired or IdempotencyKeyInvalid."""
    key = request.headers.get("Idempotency-Key")
    if not key and required:
        raise IdempotencyKeyRequired
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyInvalid
    return key


def _document_key(operation: Operation) -> None:
    extra = operation.openapi_extra or {}
    operation.openapi_extra = extra | {"parameters": [*extra.get("parameters", ()), IDEMPOTENCY_KEY]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """One use of a key."""

    caller: str
    key: str
    fingerprint: str
    is_secret: bool


def _claim_and_run(use: _Use, run: Callable[[], HttpResponse]) -> HttpResponse:
    claimed = claim(caller=use.caller, key=use.key, fingerprint=use.fingerprint)
    if claimed.state == "in_use":
        raise IdempotencyKeyInUse(retry_after=RETRY_AFTER)
    if claimed.state == "other_request":
        raise IdempotencyKeyReused
    if claimed.answer is not None:
        return _replay(claimed.answer, is_secret=use.is_secret)
    response = run()
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    store_answer(
        caller=use.caller,
        key=use.key,
        fingerprint=use.fingerprint,
        answer=Answer(
            status=response.status_code,
            headers=headers,
            body=encrypt(response.content) if use.is_secret else response.content,
        ),
    )
    return response


def _replay(answer: Answer, *, is_secret: bool) -> HttpResponse:
    headers = dict(answer.headers) | {"Idempotency-Replayed": "true"}
    return HttpResponse(decrypt(answer.body) if is_secret else answer.body, status=answer.status, headers=headers)


def _fingerprint_of(request: HttpRequest) -> str:
    """Return a digest of method, path and body; JSON that differs in spacing or order alone is the same."""
    try:
        body = orjson.dumps(orjson.loads(request.body), option=orjson.OPT_SORT_KEYS) if request.body else b""
    except orjson.JSONDecodeError:
        body = request.body
    material = b"\n".join((request.method.encode() if request.method else b"", request.path.encode(), body))
    return hashlib.sha256(material).hexdigest()


def _response_of(result: Any) -> HttpResponse:
    if isinstance(result, HttpResponse):
        return result
    if isinstance(result, Status):
        return json_response(result.value, status=result.status_code)
    return json_response(result)
