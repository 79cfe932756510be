"""What every request passes: an identity for the trace, limits, and problems in place of HTML errors."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from shared.http.failures import DEFECT, MAX_BODY, METHOD_NOT_ALLOWED, NOT_FOUND, TOO_LARGE, problem_of_failure
from shared.http.json import NO_BODY, MalformedRequest
from shared.http.problems import Problem, problem_of, problem_response
from shared.telemetry.context import WorkContext, current_work, working_as
from shared.telemetry.tracing import traceparent_in_hand

GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: Where Django itself answers; a 403 of its own is a missing CSRF token.
PROBLEMS = {
    400: Problem(status=400, code="malformed_request", detail="The request cannot be read."),
    403: Problem(status=403, code="csrf_failed", detail="Send the CSRF token of the session as X-CSRFToken."),
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    500: DEFECT,
}
DRAINED_AT_MOST = 16 * 1024 * 1024  # bytes
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class TrustWellFormedRequestIds:
    """Keep an incoming ``X-Request-ID`` or ``X-Correlation-ID`` only when it cannot confuse a log.

    A request without the latter begins a piece of work of its own, under its request id. Stands before structlog's.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not _REQUEST_ID.fullmatch(request.META.get("HTTP_X_REQUEST_ID", "")):
            request.META["HTTP_X_REQUEST_ID"] = uuid4().hex
        if not _REQUEST_ID.fullmatch(request.META.get("HTTP_X_CORRELATION_ID", "")):
            request.META["HTTP_X_CORRELATION_ID"] = request.META["HTTP_X_REQUEST_ID"]
        return self.get_response(request)


class CarryWorkContext:
    """Give everything that the request sets in motion its request id and trace; stands after structlog's."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = request.META["HTTP_X_REQUEST_ID"]
        traceparent = traceparent_in_hand() or request.META.get("HTTP_TRACEPARENT", "")
        context = WorkContext(
            correlation_id=request.META["HTTP_X_CORRELATION_ID"],
            causation_id=request_id,
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else "",
            actor="anonymous",
        )
        with working_as(context):
            response = self.get_response(request)
            known = current_work().log_fields
        structlog.contextvars.bind_contextvars(**known)  # for structlog's last line, which forgets it all
        response["X-Request-ID"] = request_id
        return response


class ApiProblems:
    """Answer under ``/api/`` in problem+json, also where Django itself would answer in HTML."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        refused = _refuse_unreadable(request)
        if refused is not None:
            return refused
        response = self.get_response(request)
        if response.status_code in NO_BODY:
            del response["Content-Type"]
        if response.status_code == 405:
            response["Allow"] = allow(map(str.strip, response.get("Allow", "").split(",")))
        if response.status_code >= 400 and not _is_json(response):
            return _in_json(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what is raised outside both API frameworks with a problem that leaks nothing."""
        if not request.path.startswith("/api/"):
            return None
        return problem_response(request, problem_of_failure(error))


def allow(methods: Iterable[str]) -> str:
    """Return the value of Allow: the methods, with those that every address knows."""
    known = {*filter(None, methods), "OPTIONS"}
    return ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))


def _refuse_unreadable(request: HttpRequest) -> HttpResponse | None:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        _drain(request)
        return problem_response(request, TOO_LARGE)
    query = request.META.get("QUERY_STRING", "")
    if "\0" in request.path or ("%" in query and not _is_text(unquote_to_bytes(query))):
        reason = "The URL has a NUL character, or is not UTF-8."
        return problem_response(request, problem_of(MalformedRequest(reason=reason)))
    return None


def _is_text(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


def _drain(request: HttpRequest) -> None:
    """Read what is being sent, up to a bound, so that the client gets to see the answer."""
    drained = 0
    while drained < DRAINED_AT_MOST and (chunk := request.read(64 * 1024)):
        drained += len(chunk)


def _is_json(response: HttpResponseBase) -> bool:
    return "json" in response.headers.get("Content-Type", "")


def _in_json(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    problem = PROBLEMS.get(response.status_code) or Problem(
        status=response.status_code, code=f"http_{response.status_code}", detail=response.reason_phrase
    )
    answer = problem_response(request, problem)
    if "Allow" in response:
        answer["Allow"] = response["Allow"]
    return answer
