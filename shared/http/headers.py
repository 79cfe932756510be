"""What every answer tells browsers: what its page may load, and which features it may use.

``settings.CONTENT_SECURITY_POLICIES`` has a policy (CSP level 3) for each prefix of paths, the most particular first.
"""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: None of what a browser could lend: https://www.w3.org/TR/permissions-policy/
PERMISSIONS_POLICY: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "bluetooth", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope"),
        *("hid", "magnetometer", "microphone", "midi", "payment", "serial", "usb"),
    )
)


class SecurityHeaders:
    """Middleware: add the headers that say so, unless the view has said something else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._policies = tuple(settings.CONTENT_SECURITY_POLICIES.items())

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        path = request.path
        headers = response.headers
        headers.setdefault(
            "Content-Security-Policy", next(it for prefix, it in self._policies if path.startswith(prefix))
        )
        headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response
