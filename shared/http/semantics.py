"""What HTTP means by methods, media types and validators (RFC 9110), done once for both APIs."""

import hashlib

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

from shared.domain.errors import VersionMismatch
from shared.http.documented import MAX_PARAMETER, MAX_VALIDATORS
from shared.http.failures import InvalidValues, pointer_to, problem_of_failure
from shared.http.json import JSON, MalformedRequest
from shared.http.middleware import GetResponse, allow
from shared.http.pagination import walking
from shared.http.problems import Problem, problem_response
from shared.http.promises import Promise, promises_of

ANYTHING = ("", "*/*", JSON)


class KeepPromises:
    """Hold each request to what the documents promise: media types and parameters; and answer OPTIONS from them.

    Every answer of an operation that goes away says so.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with walking(request.path, request.META.get("QUERY_STRING", "")):
            response = self.get_response(request)
        if request.resolver_match is not None and request.path.startswith("/api/"):
            promise = promises_of(request.resolver_match.route).get(request.method or "")
            for name, value in promise.headers.items() if promise else ():
                response[name] = value
        return response

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        """Refuse what was not promised, before any view looks at it; what needs no look is not looked up."""
        if request.resolver_match is None or not request.path.startswith("/api/") or _is_plain(request):
            return None
        promises = promises_of(request.resolver_match.route)
        if request.method == "OPTIONS" and promises:
            return HttpResponse(status=204, headers={"Allow": allow(promises)})
        promise = promises.get(request.method or "")
        problem = _broken(request, promise) if promise else None
        return problem_response(request, problem) if problem else None


class AnswerConditionally:
    """Answer HEAD as GET without its body, and give every JSON answer an entity tag that If-None-Match may name."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD") or not request.path.startswith("/api/"):
            return self.get_response(request)
        if len(request.META.get("HTTP_IF_NONE_MATCH", "")) > MAX_VALIDATORS:
            return problem_response(request, problem_of_failure(MalformedRequest(reason="If-None-Match is too long.")))
        asked, request.method = request.method, "GET"
        response = self.get_response(request)
        request.method = asked
        if isinstance(response, StreamingHttpResponse):
            return _head_of(response) if asked == "HEAD" else response
        return _conditional(request, response)


def _is_plain(request: HttpRequest) -> bool:
    """Tell whether there is nothing in the request's head that could be refused."""
    meta = request.META
    return (
        not meta.get("QUERY_STRING")
        and meta.get("HTTP_ACCEPT", "") in ANYTHING
        and (meta.get("CONTENT_TYPE") == JSON or not _has_body(request))
        and request.method != "OPTIONS"
    )


def _has_body(request: HttpRequest) -> bool:
    return request.META.get("CONTENT_LENGTH") not in (None, "", "0")


def _broken(request: HttpRequest, promise: Promise) -> Problem | None:
    if promise.consumes and _has_body(request) and not _is_consumed(request, promise):
        kinds = ", ".join(sorted(promise.consumes))
        return Problem(status=415, code="unsupported_media_type", detail=f"Send the body as {kinds}, in UTF-8.")
    if promise.produces and not any(map(request.accepts, promise.produces)):
        kinds = ", ".join(sorted(promise.produces))
        return Problem(status=406, code="not_acceptable", detail=f"The answer comes as {kinds}; accept that.")
    wrong = [
        {"pointer": pointer_to(name), "in": "query", "detail": why}
        for name, values in sorted(request.GET.lists())
        if (why := _why_not(name, values, promise))
    ]
    return problem_of_failure(InvalidValues(wrong)) if wrong else None


def _is_consumed(request: HttpRequest, promise: Promise) -> bool:
    charset = (request.content_params or {}).get("charset", "utf-8")
    return request.content_type in promise.consumes and charset.lower() in ("utf-8", "utf8")


def _why_not(name: str, values: list[str], promise: Promise) -> str | None:
    if name not in promise.parameters:
        return "Unknown parameter."
    if any(len(value) > MAX_PARAMETER for value in values):
        return f"At most {MAX_PARAMETER} characters."
    return "Give it once." if len(values) > 1 and name not in promise.repeatable else None


def _conditional(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code != 200 or response.headers.get("Content-Type") != JSON:
        return response
    assert isinstance(response, HttpResponse)  # noqa: S101 - the streams are sorted out
    if "ETag" not in response and "no-store" not in response.get("Cache-Control", ""):
        response["ETag"] = f'"{hashlib.blake2b(response.content, digest_size=12).hexdigest()}"'
    if not request.META.keys() & {"HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"}:
        return response
    answer = get_conditional_response(request, etag=response.get("ETag"), response=response)
    if answer is None or answer.status_code == 412:
        return problem_response(request, problem_of_failure(VersionMismatch()))
    return answer


def _head_of(response: StreamingHttpResponse) -> HttpResponse:
    response.close()
    return HttpResponse(status=response.status_code, headers=dict(response.headers))
