"""Log-in, renewal and log-out in the client API."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from contexts.identity.client_api.fields import BAD_BODY, OWN_PROFILE, TROUBLE, EmailText, Password, person_of
from contexts.identity.domain import IssuedTokens
from contexts.identity.wiring import change_password, end_sessions, issue_tokens, refresh_tokens, revoke_tokens
from shared.http.schemas import In, ProblemOut
from shared.http.throttling import Throttled, address_of

router = Router(tags=["identity"])

RefreshTokenText = Annotated[str, Field(min_length=1, max_length=200)]


class IssueTokensIn(In):
    email: EmailText
    password: Password
    otp: Annotated[str, Field(max_length=20, description="second factor of staff: its code, or a recovery code")] = ""


class RefreshTokenIn(In):
    refresh_token: RefreshTokenText


class ChangePasswordIn(In):
    current_password: Password
    password: Password


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
    "/auth/tokens",
    throttle=Throttled("auth"),
    response={200: TokensOut, 401: ProblemOut, 429: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="issue_tokens",
)
def log_in(request: HttpRequest, payload: IssueTokensIn, response: HttpResponse) -> TokensOut:
    """Log in; the access token is good for a quarter of an hour, the refresh token for one renewal."""
    tokens = issue_tokens(email=payload.email, password=payload.password, otp=payload.otp, address=address_of(request))
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


@router.post(
    "/auth/tokens/revoke-all",
    auth=OWN_PROFILE,
    response={204: None, 401: ProblemOut, 403: ProblemOut, **TROUBLE},
    operation_id="revoke_all_tokens",
)
def log_out_everywhere(request: HttpRequest) -> Status[None]:
    """Log out everywhere: revoke all refresh tokens; access tokens run out within a quarter of an hour."""
    end_sessions(account_id=person_of(request))
    return Status(204, None)


@router.put(
    "/me/password",
    auth=OWN_PROFILE,
    response={200: TokensOut, 401: ProblemOut, 403: ProblemOut, 429: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="change_own_password",
)
def set_password(request: HttpRequest, payload: ChangePasswordIn, response: HttpResponse) -> TokensOut:
    """Change the own password; all other sessions end, and this one goes on with the pair in the answer."""
    tokens = change_password(
        account_id=person_of(request),
        current_password=payload.current_password,
        password=payload.password,
        address=address_of(request),
    )
    return _not_to_be_stored(response, tokens)


def _not_to_be_stored(response: HttpResponse, tokens: IssuedTokens) -> TokensOut:
    response["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    return TokensOut.of(tokens)
