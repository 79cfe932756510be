"""What every operation of both APIs has in common, in the words of OpenAPI 3.1."""

from datetime import date
from typing import Any

from shared.http.problems import CONTENT_TYPE, TITLES

Node = dict[str, Any]

MAX_VALIDATORS = 4000  # characters in If-None-Match or If-Match
MAX_PARAMETER = 1000  # characters in a value of the query
AMOUNT = r"^\d{1,12}(\.\d{1,4})?$"  # as many minor units as a bigint has room for, many times over
NOT_BLANK = r"[^\s\x1C-\x1F\x85]"  # something that ``str.strip`` leaves

PROBLEM: Node = {
    "type": "object",
    "description": "An error as RFC 9457 describes it; details of some errors stand beside these members.",
    "properties": {
        "type": {"type": "string", "format": "uri", "maxLength": 200, "description": "names the kind of problem"},
        "title": {"type": "string", "maxLength": 200, "description": "the kind, for people"},
        "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "maxLength": 1000, "description": "what happened, and what to do about it"},
        "instance": {"type": "string", "maxLength": 8192, "description": "the path that was asked"},
        "code": {"type": "string", "maxLength": 100, "pattern": "^[a-z0-9_]+$", "description": "stable; for programs"},
        "request_id": {"type": "string", "maxLength": 64, "description": "tell us this one when you ask"},
        "errors": {
            "type": "array",
            "description": "with status 422: what is wrong, and where",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "maxLength": 1000, "description": "JSON pointer (RFC 6901)"},
                    "in": {"type": "string", "enum": ["body", "query", "path", "header"]},
                    "detail": {"type": "string", "maxLength": 1000},
                },
                "required": ["pointer", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "additionalProperties": True,
}


def _header(description: str, *, required: bool = False, **schema: Any) -> Node:
    return {
        "description": description,
        **({"required": True} if required else {}),
        "schema": {"type": "string", "maxLength": 200} | schema,
    }


HEADERS: Node = {
    "X-Request-ID": _header(
        "Names this request in the logs; yours, if you sent a good one.", required=True, maxLength=64
    ),
    "ETag": _header("The version of the resource, for If-None-Match and If-Match.", required=True),
    "Location": _header("Where the new resource is.", maxLength=1000, format="uri-reference"),
    "Idempotency-Replayed": _header("`true` when this is the first answer to the key once more.", enum=["true"]),
    "Retry-After": {
        "description": "Seconds after which it makes sense to ask again.",
        "schema": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 86_400},
    },
    "WWW-Authenticate": _header("How to say who you are.", required=True),
    "Access-Control-Allow-Origin": _header("The origin of the page that asks, where its scripts may read the answer."),
    "Deprecation": _header("Since when better not to use this operation, as a structured date (RFC 9745)."),
    "Sunset": _header("When the operation goes away, as an HTTP date (RFC 8594)."),
    "Link": _header("Where the documents say what to use instead (rel=deprecation).", maxLength=1000),
    "RateLimit": _header("What is left of the quota, and for how long (draft-ietf-httpapi-ratelimit-headers)."),
    "RateLimit-Policy": _header("The quotas that apply (draft-ietf-httpapi-ratelimit-headers)."),
}

#: Marks an operation whose answers nobody keeps (Cache-Control: no-store), and which hence have no entity tag.
NOT_STORED: Node = {"x-no-store": True}

#: Marks an operation that takes the version of one thing and answers with another, which has none.
NO_ETAG: Node = {"x-no-etag": True}

#: On every answer of an operation that goes away.
DEPRECATED = ("Deprecation", "Sunset", "Link")

#: On every answer.
ALWAYS = ("X-Request-ID", "Access-Control-Allow-Origin", "RateLimit", "RateLimit-Policy")

#: On answers with this status.
HEADERS_OF_STATUS = {401: ("WWW-Authenticate",), 409: ("Retry-After",), 429: ("Retry-After",), 503: ("Retry-After",)}

IDEMPOTENCY_KEY: Node = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A value of your own, new for each intent and the same for each retry: the effect happens once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "example": "0197a1f2-order-of-ada",
}
IF_MATCH: Node = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of what you saw: 412 if somebody changed it since.",
    "schema": {"type": "string", "maxLength": MAX_VALIDATORS},
    "example": '"v1"',
}
IF_NONE_MATCH: Node = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the copy that you have: 304 without a body if it is still good.",
    "schema": {"type": "string", "maxLength": MAX_VALIDATORS},
}

SECURITY_SCHEMES: Node = {
    "access_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a person, good for 15 minutes, signed with EdDSA as RFC8725 advises.",
    },
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ok_…",
        "description": "The API key of a server; it needs the scope that the operation names.",
    },
}

ANSWERS = {
    200: "Done",
    201: "Made",
    202: "Taken on; it will be done",
    204: "Done; there is nothing to say",
    304: "Your copy is still good",
}

#: A code that each status is often given with, for the examples.
CODES = {
    400: "malformed_request",
    401: "invalid_token",
    403: "insufficient_scope",
    404: "not_found",
    406: "not_acceptable",
    409: "idempotency_key_in_use",
    412: "version_mismatch",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation_error",
    428: "if_match_required",
    429: "rate_limited",
    500: "internal_error",
    503: "database_connection_error",
}


def deprecated(*, since: date, sunset: date, instead: str) -> Node:
    """Mark an operation that goes away: from when on it should not, and cannot be used, and what takes its place."""
    if sunset <= since:
        raise ValueError("An operation that goes away needs days on which it still can be used: sunset > since.")
    return {"x-deprecated": since.isoformat(), "x-sunset": sunset.isoformat(), "x-instead": instead}


def headers_of(*names: str) -> Node:
    """Return references to the headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problem_response_of(status: int) -> Node:
    """Return how a problem with the status looks."""
    example: Node = {
        "type": f"urn:orderly:problem:{CODES[status]}",
        "title": TITLES[status],
        "status": status,
        "detail": "What happened, and what to do about it.",
        "instance": "/api/v1/orders",
        "code": CODES[status],
        "request_id": "64f893c89a044c45a824749e7275fe47",
    }
    if status == 422:
        example["errors"] = [{"pointer": "/lines/0/quantity", "in": "body", "detail": "Input should be at least 1"}]
    return {
        "description": TITLES[status],
        "headers": headers_of(*ALWAYS, *HEADERS_OF_STATUS.get(status, ())),
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
