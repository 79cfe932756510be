"""The own address book in the client API."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from contexts.identity.client_api.fields import BAD_BODY, OWN_PROFILE, PRINTABLE, TROUBLE, Name, person_of
from contexts.identity.domain import (
    MAX_ADDRESS_LINE,
    MAX_PHONE,
    MAX_POSTAL_CODE,
    Address,
    PostalAddress,
)
from contexts.identity.queries import addresses_of
from contexts.identity.wiring import add_address, change_address, remove_address
from shared.http.schemas import In, PageOut, ProblemOut

router = Router(tags=["identity"])

Line = Annotated[str, Field(min_length=1, max_length=MAX_ADDRESS_LINE, pattern=PRINTABLE)]
OptionalLine = Annotated[str, Field(max_length=MAX_ADDRESS_LINE, pattern=r"^[^\x00-\x1f\x7f]*$")]


class OwnAddressIn(In):
    name: Name
    line1: Annotated[Line, Field(examples=["Lindenstraße 12"])]
    line2: OptionalLine = ""
    city: Annotated[OptionalLine, Field(examples=["Berlin"])] = ""
    postal_code: Annotated[str, Field(max_length=MAX_POSTAL_CODE, pattern=r"^[\w -]*$", examples=["10969"])] = ""
    region: Annotated[OptionalLine, Field(description="state, province or prefecture, where a country has them")] = ""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["DE"], description="ISO 3166-1 alpha-2")]
    phone: Annotated[
        str, Field(max_length=MAX_PHONE, pattern=r"^(\+?[0-9][0-9 ()./-]{2,}[0-9()./-])?$", examples=["+49 30 123456"])
    ] = ""
    default_shipping: bool = False
    default_billing: bool = False

    def to_postal(self) -> PostalAddress:
        """Return what a carrier reads."""
        return PostalAddress(**self.model_dump(exclude={"default_shipping", "default_billing"}))


class OwnAddressOut(Schema):
    id: UUID
    name: str
    line1: str
    line2: str
    city: str
    postal_code: str
    region: str
    country: str
    phone: str
    default_shipping: bool
    default_billing: bool

    @classmethod
    def of(cls, address: Address) -> "OwnAddressOut":
        """Show an entry of the book."""
        postal = address.postal
        return cls(
            id=address.id,
            name=postal.name,
            line1=postal.line1,
            line2=postal.line2,
            city=postal.city,
            postal_code=postal.postal_code,
            region=postal.region,
            country=postal.country,
            phone=postal.phone,
            default_shipping=address.is_default_shipping,
            default_billing=address.is_default_billing,
        )


@router.get(
    "/me/addresses",
    auth=OWN_PROFILE,
    response={200: PageOut[OwnAddressOut], 401: ProblemOut, 403: ProblemOut, **TROUBLE},
    operation_id="list_own_addresses",
)
def show_addresses(request: HttpRequest) -> PageOut[OwnAddressOut]:
    """List the own addresses, the oldest first; there are 50 at most, so they are one page."""
    found = addresses_of(account_id=person_of(request))
    return PageOut[OwnAddressOut](items=[OwnAddressOut.of(address) for address in found], next_cursor=None)


@router.post(
    "/me/addresses",
    auth=OWN_PROFILE,
    response={201: OwnAddressOut, 401: ProblemOut, 403: ProblemOut, 409: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="add_own_address",
)
def add(request: HttpRequest, payload: OwnAddressIn, response: HttpResponse) -> Status[OwnAddressOut]:
    """Write an address into the own book; what it needs depends on its country."""
    address = add_address(
        account_id=person_of(request),
        postal=payload.to_postal(),
        is_default_shipping=payload.default_shipping,
        is_default_billing=payload.default_billing,
    )
    response["Location"] = f"/api/v1/me/addresses/{address.id}"
    return Status(201, OwnAddressOut.of(address))


@router.put(
    "/me/addresses/{uuid:address_id}",
    auth=OWN_PROFILE,
    response={200: OwnAddressOut, 401: ProblemOut, 403: ProblemOut, 404: ProblemOut, **BAD_BODY, **TROUBLE},
    operation_id="change_own_address",
)
def change(request: HttpRequest, address_id: UUID, payload: OwnAddressIn) -> OwnAddressOut:
    """Replace an address of the own book."""
    address = Address(
        id=address_id,
        postal=payload.to_postal(),
        is_default_shipping=payload.default_shipping,
        is_default_billing=payload.default_billing,
    )
    change_address(account_id=person_of(request), address=address)
    return OwnAddressOut.of(address)


@router.delete(
    "/me/addresses/{uuid:address_id}",
    auth=OWN_PROFILE,
    response={204: None, 401: ProblemOut, 403: ProblemOut, 404: ProblemOut, **TROUBLE},
    operation_id="remove_own_address",
)
def remove(request: HttpRequest, address_id: UUID) -> Status[None]:
    """Delete an address from the own book; orders keep the one that they were placed with."""
    remove_address(account_id=person_of(request), address_id=address_id)
    return Status(204, None)
