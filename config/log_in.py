"""What the log-in page of the admin asks."""

from math import ceil

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm


class LogInForm(AuthenticationForm):
    """Asks for address and password, and says so when they were wrong too often."""

    def get_invalid_login_error(self) -> ValidationError:
        """Return what is shown in the place of a page."""
        refusal = getattr(self.request, "login_refusal", None)
        if refusal is None:
            usual: ValidationError = super().get_invalid_login_error()
            return usual
        wait = ceil(refusal.details["retry_after"] / 60)
        return ValidationError(f"Too many wrong passwords: try again in {wait} minute{'' if wait == 1 else 's'}.")
