"""What the schemas of identity share."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from pydantic import Field, StringConstraints

from contexts.identity.domain import MAX_EMAIL, MAX_NAME, PeopleOnly
from shared.http.auth import Bearer, caller_of
from shared.http.schemas import ProblemOut

#: No key is ever granted this: a profile belongs to a person.
OWN_PROFILE = Bearer(scope="profile:own")

#: What any endpoint with a body may answer.
BAD_BODY = {400: ProblemOut, 413: ProblemOut, 422: ProblemOut}
TROUBLE = {500: ProblemOut, 503: ProblemOut}

#: No control characters, and not only blanks.
PRINTABLE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f\x85][^\x00-\x1f\x7f]*$"

EmailText = Annotated[str, Field(max_length=MAX_EMAIL, examples=["ada@example.com"])]
# Blanks around a password are part of it; the schema strips them elsewhere.
Password = Annotated[
    str,
    StringConstraints(strip_whitespace=False, max_length=128),
    Field(json_schema_extra={"format": "password", "writeOnly": True}, examples=["correct horse battery"]),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME, pattern=PRINTABLE, examples=["Ada Lovelace"]),
]


def person_of(request: HttpRequest) -> UUID:
    """Return the account of the person who asks; whatever its scopes, a key has no profile."""
    account_id = caller_of(request).customer_id
    if account_id is None:
        raise PeopleOnly
    return account_id
