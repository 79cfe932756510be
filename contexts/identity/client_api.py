"""Registration, log-in and the own profile in the client API."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from contexts.identity.domain import MAX_EMAIL, MAX_NAME, Account, IssuedTokens, PeopleOnly
from contexts.identity.queries import Profile, profile_of
from contexts.identity.wiring import (
    change_profile,
    issue_tokens,
    refresh_tokens,
    register_customer,
    revoke_tokens,
)
from shared.http.auth import Bearer, caller_of
from shared.http.schemas import In, ProblemOut

router = Router(tags=["identity"])

#: No key is ever granted this: a profile belongs to a person.
OWN_PROFILE = Bearer(scope="profile:own")

#: What any endpoint with a body may answer.
BAD_BODY = {400: ProblemOut, 413: ProblemOut, 422: ProblemOut}
TROUBLE = {500: ProblemOut, 503: ProblemOut}

EmailText = Annotated[str, Field(max_length=MAX_EMAIL, examples=["ada@example.com"])]
# Blanks around a password are part of it; the schema strips them elsewhere.
Password = Annotated[
    str,
    StringConstraints(strip_whitespace=False, max_length=128),
    Field(json_schema_extra={"format": "password", "writeOnly": True}, examples=["correct horse battery"]),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["Ada Lovelace"]),
]
RefreshTokenText = Annotated[str, Field(min_length=1, max_length=200)]


class RegisterCustomerIn(In):
    email: EmailText
    password: Password
    name: Name


class IssueTokensIn(In):
    email: EmailText
    password: Password


class RefreshTokenIn(In):
    refresh_token: RefreshTokenText


class ChangeProfileIn(In):
    name: Name


class ProfileOut(Schema):
    id: UUID
    email: str
    name: str

    @classmethod
    def of(cls, profile: Profile) -> "ProfileOut":
        """Show a profile."""
        return cls(id=profile.id, email=profile.email, name=profile.name)

    @classmethod
    def of_account(cls, account: Account) -> "ProfileOut":
        """Show what an account says about its holder."""
        return cls(id=account.id, email=account.email.text, name=account.name)


class TokensOut(Schema):
    access_token: str
    refresh_token: str
    token_type: Annotated[str, Field(examples=["Bearer"])] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: Annotated[int, Field(description="seconds for which the access token is good")]

    @classmethod
    def of(cls, tokens: IssuedTokens) -> "TokensOut":
        """Show a pair of tokens."""
        return cls(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in,
        )


@router.post(
    "/customers",
    response={201: ProfileOut, 409: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="register_customer",
)
def register(request: HttpRequest, payload: RegisterCustomerIn) -> Status[ProfileOut]:  # noqa: ARG001 - Ninja's signature
    """Open an account for a customer."""
    account = register_customer(email=payload.email, password=payload.password, name=payload.name)
    return Status(201, ProfileOut.of_account(account))


@router.post(
    "/auth/tokens",
    response={200: TokensOut, 401: ProblemOut, 429: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="issue_tokens",
)
def log_in(request: HttpRequest, payload: IssueTokensIn, response: HttpResponse) -> TokensOut:  # noqa: ARG001 - Ninja's signature
    """Log in; the access token is good for a quarter of an hour, the refresh token for one renewal."""
    tokens = issue_tokens(email=payload.email, password=payload.password)
    return _not_to_be_stored(response, tokens)


@router.post(
    "/auth/tokens/refresh",
    response={200: TokensOut, 401: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="refresh_tokens",
)
def refresh(request: HttpRequest, payload: RefreshTokenIn, response: HttpResponse) -> TokensOut:  # noqa: ARG001 - Ninja's signature
    """Exchange the refresh token for a new pair; using one twice revokes all that descend from the same log-in."""
    tokens = refresh_tokens(refresh_token=payload.refresh_token)
    return _not_to_be_stored(response, tokens)


@router.post(
    "/auth/tokens/revoke",
    response={204: None, 401: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="revoke_tokens",
)
def log_out(request: HttpRequest, payload: RefreshTokenIn) -> Status[None]:  # noqa: ARG001 - Ninja's signature
    """Log out: revoke the refresh token and all that descend from the same log-in."""
    revoke_tokens(refresh_token=payload.refresh_token)
    return Status(204, None)


@router.get(
    "/me",
    auth=OWN_PROFILE,
    response={200: ProfileOut, 401: ProblemOut, 403: ProblemOut, **TROUBLE},
    operation_id="get_own_profile",
)
def show_profile(request: HttpRequest) -> ProfileOut:
    """Show the own profile."""
    return ProfileOut.of(profile_of(account_id=_person_of(request)))


@router.patch(
    "/me",
    auth=OWN_PROFILE,
    response={200: ProfileOut, 401: ProblemOut, 403: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="change_own_profile",
)
def edit_profile(request: HttpRequest, payload: ChangeProfileIn) -> ProfileOut:
    """Change the own profile."""
    return ProfileOut.of_account(change_profile(account_id=_person_of(request), name=payload.name))


def _person_of(request: HttpRequest) -> UUID:
    """Return the account of the person who asks; whatever its scopes, a key has no profile."""
    account_id = caller_of(request).customer_id
    if account_id is None:
        raise PeopleOnly
    return account_id


def _not_to_be_stored(response: HttpResponse, tokens: IssuedTokens) -> TokensOut:
    response["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    return TokensOut.of(tokens)
