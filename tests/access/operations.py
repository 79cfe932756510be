"""The operations of both APIs, as their documents have them, each with its row of expectations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.http.promises import METHODS, document
from tests.access.expectations import CLIENT, OPERATOR

PREFIXES = {"/api/v1/": CLIENT, "/api/ops/v1/": OPERATOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as its document has it."""

    id: str
    method: str
    path: str
    parameters: Mapping[str, Mapping[str, Any]]

    def url(self, known: Mapping[str, object]) -> str:
        """Return the path with what is known, and else with what nobody has."""
        url = self.path
        for name, schema in self.parameters.items():
            nothing = {"uuid": UUID(int=0)}.get(schema.get("format", ""), 0 if schema["type"] == "integer" else "none")
            url = url.replace("{" + name + "}", str(known.get(name, nothing)))
        return url


def operations(prefix: str) -> list[Operation]:
    """Return all operations of the API under the prefix."""
    return [
        Operation(
            id=operation["operationId"],
            method=method,
            path=path,
            parameters={
                each["name"]: each["schema"] for each in operation.get("parameters", ()) if each["in"] == "path"
            },
        )
        for path, methods in document(prefix)["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


ALL = [(operation, rows.get(operation.id)) for prefix, rows in PREFIXES.items() for operation in operations(prefix)]
