"""Building blocks of request and response schemas."""

from typing import Annotated, Any, Generic, TypeVar

from django.http import HttpRequest
from ninja import Schema
from ninja.errors import ValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, StrictInt
from pydantic.json_schema import JsonSchemaValue

from shared.domain.money import Money
from shared.http.documented import AMOUNT, NOT_BLANK

T = TypeVar("T")

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"], description="ISO 4217 code")]
Limit = Annotated[int, Field(ge=1, le=100, description="how many items, at most")]
Cursor = Annotated[str | None, Field(min_length=1, max_length=500, description="`next_cursor` of the page before")]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: Takes 2.0 for 2, as JSON Schema does; stands last, behind the bounds, and beside StrictInt, which refuses "2".
whole = BeforeValidator(_whole)
PositiveInt = Annotated[StrictInt, Field(ge=1), whole]


class In(BaseModel):
    """A request body: fields that are not known are refused.

    Not a Ninja Schema, which validates a body that forbids other fields twice at each of its levels.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema, which says of each text that may not be empty that it may not be blank either."""
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            _say_not_blank(field)
        return schema


def _say_not_blank(schema: JsonSchemaValue) -> None:
    """Blanks at both ends are taken away before anything is counted."""
    for each in (schema, *schema.get("anyOf", ()), schema.get("items", {})):
        if each.get("type") == "string" and each.get("minLength") and "format" not in each:
            each.setdefault("pattern", NOT_BLANK)


class MoneyOut(Schema):
    amount: Annotated[str, Field(examples=["12.34"], description="decimal string")]
    currency: Currency

    @classmethod
    def of(cls, money: Money) -> "MoneyOut":
        """Show an amount of money."""
        return cls.model_construct(amount=money.amount, currency=money.currency)


class MoneyIn(In):
    amount: Annotated[str, Field(pattern=AMOUNT, examples=["12.34"])]
    currency: Currency

    def to_money(self) -> Money:
        """Read it as money, or raise MalformedAmount."""
        return Money.parse(self.amount, self.currency)


class PageOut(Schema, Generic[T]):
    items: list[T]
    next_cursor: str | None


class ProblemOut(Schema):
    """An error as RFC 9457 describes it."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(examples=["urn:orderly:problem:order_not_found"])]
    title: str
    status: int
    detail: str
    instance: str
    code: Annotated[str, Field(examples=["order_not_found"], description="stable; made for programs")]
    request_id: str
    errors: list[dict[str, Any]] | None = None


class ListIn(In):
    """The query of a list."""

    limit: Limit = 20
    cursor: Cursor = None


def refuse_unknown_parameters(request: HttpRequest, *, known: type[BaseModel]) -> None:
    """Raise ValidationError (422) for query parameters that the schema does not name; Ninja drops them."""
    unknown = sorted(set(request.GET) - set(known.model_fields))
    if unknown:
        raise ValidationError([{"loc": ("query", name), "msg": "Unknown parameter."} for name in unknown])


def problems(*statuses: int) -> dict[int, type[ProblemOut]]:
    """Describe the errors that an operation may answer with."""
    return dict.fromkeys(statuses, ProblemOut)
