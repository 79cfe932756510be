"""Mailed links in the client API: proving an address, and choosing a new password."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from contexts.identity.client_api.fields import BAD_BODY, TROUBLE, EmailText, Password
from contexts.identity.domain import LinkPurpose
from contexts.identity.wiring import confirm_email, request_link, reset_password
from shared.http.schemas import In
from shared.http.throttling import Throttled

router = Router(tags=["identity"], throttle=Throttled("auth"))

LinkToken = Annotated[
    str, Field(min_length=1, max_length=512, description="what stands behind `#token=` in the mailed link")
]


class RequestLinkIn(In):
    email: EmailText


class ConfirmEmailIn(In):
    token: LinkToken


class ResetPasswordIn(In):
    token: LinkToken
    password: Password


@router.post(
    "/auth/email-verification",
    response={202: None, **BAD_BODY, **TROUBLE},
    operation_id="request_email_verification",
)
def ask_for_verification(request: HttpRequest, payload: RequestLinkIn) -> Status[None]:  # noqa: ARG001 - Ninja's signature
    """Have a link mailed that proves the address; the answer is the same whether there is such an account or not."""
    request_link(email=payload.email, purpose=LinkPurpose.VERIFY_EMAIL)
    return Status(202, None)


@router.post(
    "/auth/email-verification/confirm",
    response={204: None, **BAD_BODY, **TROUBLE},
    operation_id="confirm_email_verification",
)
def verify(request: HttpRequest, payload: ConfirmEmailIn) -> Status[None]:  # noqa: ARG001 - Ninja's signature
    """Prove the address with the mailed token, which is good once, for three days."""
    confirm_email(token=payload.token)
    return Status(204, None)


@router.post(
    "/auth/password-reset",
    response={202: None, **BAD_BODY, **TROUBLE},
    operation_id="request_password_reset",
)
def ask_for_reset(request: HttpRequest, payload: RequestLinkIn) -> Status[None]:  # noqa: ARG001 - Ninja's signature
    """Have a link mailed to choose a new password; the answer is the same whether there is such an account or not."""
    request_link(email=payload.email, purpose=LinkPurpose.RESET_PASSWORD)
    return Status(202, None)


@router.post(
    "/auth/password-reset/confirm",
    response={204: None, **BAD_BODY, **TROUBLE},
    operation_id="confirm_password_reset",
)
def reset(request: HttpRequest, payload: ResetPasswordIn) -> Status[None]:  # noqa: ARG001 - Ninja's signature
    """Choose a new password with the mailed token, which is good once, for an hour; all sessions end."""
    reset_password(token=payload.token, password=payload.password)
    return Status(204, None)
