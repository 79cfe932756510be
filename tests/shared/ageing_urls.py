"""Two lamps and two bells: of each, one is of the past; one in each framework."""

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from ninja import Schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from shared.domain.errors import EntityNotFoundError
from shared.http.documented import deprecated
from shared.http.documents import Document, Wording, complete
from shared.http.ninja import DocumentedApi, JsonParser, JsonRenderer, speak_problem_json

OF_THE_PAST = deprecated(since=date(2027, 1, 1), sunset=date(2027, 7, 1), instead="GET /lights/{light_id}")
WORDING = Wording(tags={"lamps": "Lamps.", "bells": "Bells."}, examples={})
lamps = DocumentedApi(
    title="Lamps",
    version="1.0.0",
    wording=WORDING,
    urls_namespace="lamps",
    parser=JsonParser(),
    renderer=JsonRenderer(),
)
speak_problem_json(lamps)


class LampIsBroken(EntityNotFoundError):
    """There is none."""

    code = "lamp_is_broken"
    default_detail = "It is dark."


class LampOut(Schema):
    id: int


class BellOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()


@lamps.get("/lamps/{int:lamp_id}", response=LampOut, tags=["lamps"], openapi_extra=OF_THE_PAST)
def get_lamp(request: HttpRequest, lamp_id: int) -> LampOut | HttpResponse:
    """Show a lamp."""
    if not lamp_id:
        raise LampIsBroken
    return LampOut(id=lamp_id)


@lamps.put("/lamps/{int:lamp_id}", response=LampOut, tags=["lamps"])
def put_lamp(request: HttpRequest, lamp_id: int) -> LampOut:
    """Put a lamp there."""
    return LampOut(id=lamp_id)


class BellViewSet(ViewSet):
    """Bells."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []

    @extend_schema(responses=BellOut, extensions=OF_THE_PAST, tags=["bells"])
    def retrieve(self, request: Request, pk: str) -> Response:
        """Show a bell."""
        if not int(pk):
            raise LampIsBroken
        return Response({"id": pk})

    @extend_schema(request=None, responses=BellOut, tags=["bells"])
    def update(self, request: Request, pk: str) -> Response:
        """Put a bell there."""
        return Response({"id": pk})


router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("bells", BellViewSet, basename="bell")


def document_of_lamps() -> Document:
    """Return the OpenAPI document of Ninja's half."""
    return lamps.document


def document_of_bells() -> Document:
    """Return the OpenAPI document of DRF's half."""
    generator = SchemaGenerator(patterns=bells)  # type: ignore[no-untyped-call]
    return complete(generator.get_schema(request=None, public=True), wording=WORDING)  # type: ignore[no-untyped-call]


bells = [path("api/ops/v1/", include(router.urls))]
urlpatterns = [path("api/v1/", lamps.urls), *bells]
