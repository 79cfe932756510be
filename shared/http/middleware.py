"""What every request passes: an identity for the trace, limits, and problems in place of HTML errors."""

import re
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from shared.http.ninja import DEFECT
from shared.http.problems import Problem, problem_response, request_id_of
from shared.telemetry.context import WorkContext, current_work, working_as

GetResponse = Callable[[HttpRequest], HttpResponseBase]

MAX_BODY = 1024 * 1024  # bytes
DRAINED_AT_MOST = 16 * 1024 * 1024  # bytes
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_log = structlog.get_logger(__name__)


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
        traceparent = request.META.get("HTTP_TRACEPARENT", "")
        context = WorkContext(
            correlation_id=request.META["HTTP_X_CORRELATION_ID"],
            causation_id=request_id_of(),
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else "",
            actor="anonymous",
        )
        with working_as(context):
            response = self.get_response(request)
            known = current_work().log_fields
        structlog.contextvars.bind_contextvars(**known)  # for structlog's last line, which forgets it all
        response["X-Request-ID"] = request_id_of()
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
        if response.status_code in (404, 405) and not _is_json(response):
            return _in_json(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a defect outside both API frameworks with a problem that leaks nothing."""
        if not request.path.startswith("/api/"):
            return None
        _log.error("request_failed", exc_info=error)
        return problem_response(request, DEFECT)


def _refuse_unreadable(request: HttpRequest) -> HttpResponse | None:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        _drain(request)
        return problem_response(request, Problem(status=413, code="body_too_large", detail="A body has at most 1 MiB."))
    if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        return problem_response(
            request, Problem(status=400, code="malformed_request", detail="The URL has a NUL character.")
        )
    return None


def _drain(request: HttpRequest) -> None:
    """Read what is being sent, up to a bound, so that the client gets to see the answer."""
    drained = 0
    while drained < DRAINED_AT_MOST and (chunk := request.read(64 * 1024)):
        drained += len(chunk)


def _is_json(response: HttpResponseBase) -> bool:
    return "json" in response.headers.get("Content-Type", "")


def _in_json(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    if response.status_code == 404:
        problem = Problem(status=404, code="not_found", detail="There is nothing here.")
    else:
        allowed = {"Allow": response["Allow"]} if response.has_header("Allow") else {}
        problem = Problem(
            status=405,
            code="method_not_allowed",
            detail="This address does not know that method.",
            headers=allowed,
        )
    return problem_response(request, problem)
