"""The two OpenAPI documents: complete, true to themselves, and as they were last looked at."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from config.client_api import client_api
from config.management.commands.write_api_documents import DOCUMENTS, as_text
from shared.http.promises import document, promises_of
from tests.contract.endpoints import Endpoint, endpoints

every_operation = pytest.mark.parametrize("endpoint", endpoints(), ids=str)
every_document = pytest.mark.parametrize("prefix", list(settings.API_DOCUMENTS))


class TestDocument:
    @pytest.mark.parametrize(("prefix", "path"), DOCUMENTS.items())
    def test_is_the_one_that_was_last_looked_at(self, prefix: str, path: Path) -> None:
        assert as_text(prefix) == path.read_text(), (
            f"{path} is not what the code says: look at the difference after `.venv/bin/python manage.py "
            "write_api_documents`, and commit it if you mean it"
        )

    @every_document
    def test_says_what_it_is(self, prefix: str) -> None:
        about = document(prefix)

        assert about["openapi"].startswith("3.1")
        assert {"title", "version", "description", "contact", "license"} <= about["info"].keys()
        assert about["servers"]

    @every_document
    def test_describes_its_tags(self, prefix: str) -> None:
        used = {tag for each in endpoints() if each.prefix == prefix for tag in each.node["tags"]}

        assert used == {tag["name"] for tag in document(prefix)["tags"] if tag["description"]}, "see config/wording.py"

    @every_document
    def test_refers_to_nothing_that_is_not_there(self, prefix: str) -> None:
        components = document(prefix)["components"]
        for reference in references_in(document(prefix)):
            _, _, kind, name = reference.split("/")
            assert name in components[kind], reference

    @every_document
    def test_does_not_allow_blanks_where_there_has_to_be_something(self, prefix: str) -> None:
        """Blanks at both ends of a text are taken away before it is looked at."""
        allowing = {
            f"{name}.{place}"
            for name, schema in document(prefix)["components"]["schemas"].items()
            if name.endswith("In") or "In-" in name
            for place, text in texts_in(schema, at="")
            if text.get("minLength") and "format" not in text and re.search(text.get("pattern", ""), " \t ")
        }

        assert not allowing

    def test_has_a_name_of_its_own_for_each_schema(self) -> None:
        assert document("/api/v1/")
        assert not client_api.clashes, "rename one of the classes; the document has room for one of each name"

    def test_names_every_address_of_the_apis(self) -> None:
        unnamed = {route for route in routes() if not promises_of(route)}

        assert unnamed == {
            f"{prefix[1:]}{page}" for prefix in settings.API_DOCUMENTS for page in ("docs", "openapi.json")
        }


def texts_in(schema: Any, *, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the schemas of the texts in a schema, and where they stand; what is listed by name is none."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "string" and "enum" not in schema:
        yield at, schema
    for name, node in schema.items():
        yield from texts_in(node, at=f"{at}/{name}")


class TestOperation:
    @every_operation
    def test_has_a_name_that_makes_a_good_method(self, endpoint: Endpoint) -> None:
        name = endpoint.node["operationId"]

        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name), name
        assert not name.startswith(("contexts_", "api_", "shared_")), name
        assert [each.node["operationId"] for each in endpoints() if each.prefix == endpoint.prefix].count(name) == 1

    @every_operation
    def test_is_described(self, endpoint: Endpoint) -> None:
        summary, description = endpoint.node["summary"], endpoint.node["description"]

        assert summary[0].isupper()
        assert not summary.endswith(".")
        assert description.endswith(".")
        assert len(endpoint.node["tags"]) == 1

    @every_operation
    def test_answers_errors_as_problems(self, endpoint: Endpoint) -> None:
        refusals = {status: answer for status, answer in endpoint.node["responses"].items() if status >= "4"}

        assert {"400", "429", "500", "503"} <= refusals.keys()
        for status, answer in refusals.items():
            referred = endpoint.components["responses"][answer["$ref"].rpartition("/")[2]]
            assert list(referred["content"]) == ["application/problem+json"]
            assert referred["content"]["application/problem+json"]["example"]["status"] == int(status)

    @every_operation
    def test_has_examples_that_fit(self, endpoint: Endpoint) -> None:
        for where, schema, example in examples_in(endpoint):
            validator = jsonschema_rs.Draft202012Validator(
                {"components": endpoint.components, **schema}, validate_formats=True
            )
            errors = [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(example)]
            assert not errors, (where, example, errors)

    @every_operation
    def test_says_how_to_be_called(self, endpoint: Endpoint) -> None:
        for parameter in endpoint.node["parameters"]:
            assert parameter["schema"], parameter["name"]
            assert parameter["in"] == "path" or parameter.get("description"), f"{parameter['name']} says nothing"

    @every_operation
    def test_that_makes_something_says_where_that_leads(self, endpoint: Endpoint) -> None:
        answer = endpoint.node["responses"].get("201", {})
        leads_on = any(each.path.startswith(f"{endpoint.path}/{{") and each.method == "GET" for each in endpoints())

        assert bool(answer.get("links")) or not (answer and leads_on)


def routes() -> Iterator[str]:
    """Return the routes below the prefixes of the APIs."""

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[str]:
        for each in patterns:
            route = before + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, route)
            elif any(route.startswith(prefix[1:]) and route != prefix[1:] for prefix in settings.API_DOCUMENTS):
                yield route

    yield from walk(get_resolver().url_patterns, "")


def references_in(node: Any) -> Iterator[str]:
    """Return every reference in the document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references_in(each)
    elif isinstance(node, list):
        for each in node:
            yield from references_in(each)


def examples_in(endpoint: Endpoint) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Return the examples of the operation, each with its schema."""
    contents = {"request": endpoint.node.get("requestBody", {}).get("content", {})}
    contents |= {status: answer.get("content", {}) for status, answer in endpoint.node["responses"].items()}
    for where, content in contents.items():
        for kind, media in content.items():
            if kind.endswith("json"):
                named = [each["value"] for each in media.get("examples", {}).values()] or [media["example"]]
                for example in named:
                    yield f"{where} {kind}", media["schema"], json.loads(json.dumps(example))
    for parameter in endpoint.node["parameters"]:
        if "example" in parameter:
            yield parameter["name"], parameter["schema"], parameter["example"]
