"""Who may keep an answer, and for how long (RFC 9111)."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from shared.http.middleware import GetResponse

#: A browser may keep it, and asks each time whether it is still good.
OWN = "private, no-cache"
NOBODY = "no-store"


def public(*, fresh: int, stale: int) -> str:
    """Return the Cache-Control of what is the same for everybody.

    It is good for ``fresh`` seconds; for ``stale`` seconds more a cache may show it while it asks for a new one
    (RFC 5861, section 3), and while this server does not answer (section 4).
    """
    return f"public, max-age={fresh}, stale-while-revalidate={stale}, stale-if-error={stale}"


class KeepAnswersPrivate:
    """Middleware: what no view has opened to caches is for its caller alone, or for nobody's memory at all."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not request.path.startswith("/api/"):
            return response
        if "Cache-Control" not in response.headers:
            was_read = request.method in ("GET", "HEAD") and response.status_code in (200, 304)
            response.headers["Cache-Control"] = OWN if was_read else NOBODY
        if "public" not in response.headers["Cache-Control"]:
            patch_vary_headers(response, ("Authorization", "Cookie"))
        return response
