"""Who schemathesis calls as, and what it looks at beside its own checks; loaded by its command line."""

import os
import re
from typing import Any
from uuid import uuid4

import httpx2
import schemathesis

URL = os.environ["FUZZED_URL"]
PASSWORD = "correct horse battery"
SPENT = 600  # seconds, after which a token is asked for anew

#: What a schema should have said.
CALLED_WRONG = {"validation_error", "malformed_request"}


def kind_of_caller(case: Any, _: Any) -> str:
    """Return who may call the operation: staff, a person, or a server with a key."""
    if case.operation.path.startswith("/api/ops/"):
        return "staff"
    scopes = [scope for way in case.operation.definition.raw.get("security", ()) for scope in way.get("api_key", ())]
    return "person" if any(scope.endswith(":own") for scope in scopes) else "server"


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Write a tab for what is not ASCII in a key; a header with such characters never gets past the server."""
    headers = case.headers or {}
    key = headers.get("Idempotency-Key", "")
    if not key.isascii():
        headers["Idempotency-Key"] = re.sub(r"[^\x00-\x7f]", "\t", f"-{key}-")


@schemathesis.auth(cache_by_key=kind_of_caller, refresh_interval=SPENT)
class Caller:
    """Whoever may; a person who was forgotten, or whose sessions have ended, is followed by another one."""

    def get(self, case: Any, context: Any) -> str:
        """Return a token or key."""
        match kind_of_caller(case, context):
            case "staff":
                return token_of("operator@example.com", "orderly-demo")
            case "person":
                email = f"{uuid4().hex}@example.com"
                body = {"email": email, "password": PASSWORD, "name": "Ada Lovelace"}
                httpx2.post(f"{URL}/api/v1/customers", json=body, timeout=30).raise_for_status()
                return token_of(email, PASSWORD)
            case _:
                return os.environ["FUZZED_KEY"]

    def set(self, case: Any, data: str, _: Any) -> None:
        """Put the token where it belongs."""
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def token_of(email: str, password: str) -> str:
    """Log in."""
    answer = httpx2.post(f"{URL}/api/v1/auth/tokens", json={"email": email, "password": password}, timeout=30)
    return str(answer.raise_for_status().json()["access_token"])


@schemathesis.check
def what_fits_its_schema_is_not_called_wrong(_: Any, response: Any, case: Any) -> None:
    """A request that was made by the schema may be refused for what it asks, and not for how it looks."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 422):
        return
    problem = response.json()
    assert problem["code"] not in CALLED_WRONG, f"the schema allows what is called {problem['code']}: {problem}"


@schemathesis.check
def every_error_is_a_problem(_: Any, response: Any, __: Any) -> None:
    """Also an error that no document foresees is application/problem+json, with the id of its request."""
    if response.status_code < 400 or "idempotency-replayed" in response.headers:
        return
    assert response.headers["content-type"] == ["application/problem+json"]
    assert response.json()["request_id"] == response.headers["x-request-id"][0]
