"""Why a call to another system was not made, or may be made again."""

from shared.domain.errors import ExternalAPIError


class NotSent(ExternalAPIError):
    """The other system cannot be reached; nothing was sent to it, so it may be asked again."""


class VendorBusy(ExternalAPIError):
    """Too many calls to the other system are under way; try again later."""


class CircuitOpen(ExternalAPIError):
    """The other system failed too often of late and is left alone for a while; try again later."""
