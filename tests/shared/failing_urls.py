"""An API of each kind whose operations fail in every way there is."""

from typing import NoReturn

from django.db import OperationalError
from django.http import Http404, HttpRequest
from django.urls import path
from ninja import NinjaAPI
from ninja.errors import HttpError
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import APIView

from shared.domain.errors import ConflictError, ExternalAPIError
from shared.http.ninja import speak_problem_json


class TeapotIsHot(ConflictError):
    """The teapot is too hot to be held."""


FAILURES: dict[str, Exception] = {
    "defect": RuntimeError("the password is hunter2"),
    "refusal": TeapotIsHot(celsius=95),
    "wait": TeapotIsHot(retry_after=2.5),
    "vendor": ExternalAPIError(retry_after=7, secret="hunter2"),
    "database": OperationalError("connection to 10.0.0.7 as hunter2 failed"),
    "nothing": Http404("no row with hunter2"),
}

ninja = NinjaAPI(urls_namespace="failing", docs_url=None, openapi_url=None)
speak_problem_json(ninja)


@ninja.get("/{kind}")
def fail(request: HttpRequest, kind: str) -> None:
    raise FAILURES.get(kind) or HttpError(418, "I am a teapot.")


class Fail(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, kind: str) -> None:
        teapot = exceptions.APIException("I am a teapot.")
        teapot.status_code = 418
        raise FAILURES.get(kind) or teapot


def fail_plainly(request: HttpRequest, kind: str) -> NoReturn:
    """Fail outside both frameworks."""
    raise FAILURES[kind]


urlpatterns = [
    path("api/plain/<str:kind>", fail_plainly),
    path("api/drf/<str:kind>", Fail.as_view()),
    path("api/ninja/", ninja.urls),
]
