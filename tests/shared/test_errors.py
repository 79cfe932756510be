import pytest

from shared.domain import errors
from shared.domain.errors import ConflictError, DomainError, InvalidInputError, OrderlyError


class TeapotRefused(ConflictError):
    """This is a teapot; ask for tea.

    Details for whoever reads the code do not belong here.
    """


class AmountMissing(InvalidInputError):
    """Say how much."""

    pointer = "/amount"


class TestCode:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (TeapotRefused, "teapot_refused"),
            (errors.VersionMismatch, "version_mismatch"),
            (errors.ExternalAPIError, "external_api_error"),
            (errors.LostRace, "lost_race"),
        ],
    )
    def test_is_the_class_name_in_snake_case(self, error: type[OrderlyError], code: str) -> None:
        assert error().code == code


class TestMessage:
    def test_is_the_docstring(self) -> None:
        assert AmountMissing().message == "Say how much."

    def test_is_what_python_shows_too_together_with_the_details(self) -> None:
        assert str(AmountMissing()) == "Say how much."
        assert str(AmountMissing(currency="EUR", least=5)) == "Say how much. (currency=EUR, least=5)"

    def test_falls_back_to_that_of_the_kind_but_never_to_nothing(self) -> None:
        class Undocumented(ConflictError):
            pass

        assert Undocumented().message == "The present state of the thing does not allow this."


class TestDetails:
    def test_travel_with_the_error(self) -> None:
        assert TeapotRefused(spout="left").details == {"spout": "left"}


class TestPointer:
    def test_is_that_of_the_class_unless_given(self) -> None:
        assert AmountMissing().at == "/amount"
        assert AmountMissing(pointer="/lines/0/amount").at == "/lines/0/amount"

    def test_is_no_detail(self) -> None:
        assert AmountMissing(pointer="/lines/0/amount", least=5).details == {"least": 5}


class TestKinds:
    @pytest.mark.parametrize("kind", [errors.ExternalAPIError, errors.OutcomeUnknown, errors.LostRace])
    def test_of_failure_are_no_refusals(self, kind: type[OrderlyError]) -> None:
        assert not issubclass(kind, DomainError)
        assert issubclass(kind, errors.InfrastructureError)
