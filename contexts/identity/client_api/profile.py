"""Registration and the own profile in the client API."""

from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status

from contexts.identity.client_api.fields import BAD_BODY, OWN_PROFILE, TROUBLE, EmailText, Name, Password
from contexts.identity.domain import Account, PeopleOnly
from contexts.identity.queries import Profile, profile_of
from contexts.identity.wiring import change_profile, register_customer
from shared.http.auth import caller_of
from shared.http.schemas import In, ProblemOut

router = Router(tags=["identity"])


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

    @classmethod
    def of(cls, profile: Profile) -> "ProfileOut":
        """Show a profile."""
        return cls(id=profile.id, email=profile.email, name=profile.name)

    @classmethod
    def of_account(cls, account: Account) -> "ProfileOut":
        """Show what an account says about its holder."""
        return cls(id=account.id, email=account.email.text, name=account.name)


@router.post(
    "/customers",
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
