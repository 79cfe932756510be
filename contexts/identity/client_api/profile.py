"""Registration and the own profile in the client API."""

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from contexts.identity.client_api.fields import BAD_BODY, OWN_PROFILE, TROUBLE, EmailText, Name, Password, person_of
from contexts.identity.domain import Account
from contexts.identity.queries import Profile, profile_of
from contexts.identity.wiring import change_profile, erase_customer, export_personal_data, register_customer
from shared.http.documented import NOT_STORED
from shared.http.etags import etag_of, is_unchanged, version_in_if_match
from shared.http.json import json_response
from shared.http.schemas import In, ProblemOut
from shared.http.throttling import Throttled

router = Router(tags=["identity"])

# An account begins with version 0, an entity tag with 1: hence the one between them.


class RegisterCustomerIn(In):
    email: EmailText
    password: Password
    name: Name


class ChangeProfileIn(In):
    name: Name


class ProfileOut(Schema):
    id: UUID
    email: str
    name: str
    email_verified: Annotated[bool, Field(description="whether a mailed link proved the address")]

    @classmethod
    def of(cls, profile: Profile) -> "ProfileOut":
        """Show a profile."""
        return cls(id=profile.id, email=profile.email, name=profile.name, email_verified=profile.email_verified)

    @classmethod
    def of_account(cls, account: Account) -> "ProfileOut":
        """Show what an account says about its holder."""
        return cls(
            id=account.id,
            email=account.email.text,
            name=account.name,
            email_verified=account.email_verified_at is not None,
        )


@router.post(
    "/customers",
    throttle=Throttled("auth"),
    response={201: ProfileOut, 409: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="register_customer",
)
def register(request: HttpRequest, payload: RegisterCustomerIn) -> Status[ProfileOut]:  # noqa: ARG001 - Ninja's signature
    """Open an account for a customer."""
    account = register_customer(email=payload.email, password=payload.password, name=payload.name)
    return Status(201, ProfileOut.of_account(account))


@router.get(
    "/me",
    auth=OWN_PROFILE,
    response={200: ProfileOut, 304: None, 401: ProblemOut, 403: ProblemOut, **TROUBLE},
    operation_id="get_own_profile",
)
def show_profile(request: HttpRequest, response: HttpResponse) -> Status[ProfileOut | None]:
    """Show the own profile, with its version as ETag."""
    profile = profile_of(account_id=person_of(request))
    response["ETag"] = etag_of(profile.version + 1)
    if is_unchanged(request, response["ETag"]):
        return Status(304, None)
    return Status(200, ProfileOut.of(profile))


@router.patch(
    "/me",
    auth=OWN_PROFILE,
    response={200: ProfileOut, 401: ProblemOut, 403: ProblemOut, 412: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="change_own_profile",
)
def edit_profile(request: HttpRequest, payload: ChangeProfileIn, response: HttpResponse) -> ProfileOut:
    """Change the own profile; with If-Match, only if it is still the version that was last seen."""
    seen = version_in_if_match(request)
    account = change_profile(
        account_id=person_of(request), name=payload.name, expected_version=None if seen is None else seen - 1
    )
    response["ETag"] = etag_of(account.version + 1)
    return ProfileOut.of_account(account)


@router.get(
    "/me/export",
    throttle=Throttled("bulk"),
    auth=OWN_PROFILE,
    response={200: dict[str, Any], 401: ProblemOut, 403: ProblemOut, **TROUBLE},
    operation_id="export_own_data",
    openapi_extra=NOT_STORED,
)
def export(request: HttpRequest) -> HttpResponse:
    """Get all that is kept about oneself: profile, addresses, sessions and orders."""
    exported = {"exported_at": timezone.now(), **export_personal_data(account_id=person_of(request))}
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="my-data.json"'}
    return json_response(exported, headers=headers)


@router.delete(
    "/me",
    auth=OWN_PROFILE,
    response={204: None, 401: ProblemOut, 403: ProblemOut, 409: ProblemOut, **TROUBLE},
    operation_id="erase_own_account",
)
def erase(request: HttpRequest) -> Status[None]:
    """Have the own account erased for good; orders stay, anonymous. Refused while one is on its way."""
    erase_customer(account_id=person_of(request))
    return Status(204, None)
