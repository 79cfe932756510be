from collections.abc import Iterator

import httpx2
import pytest

from config.management.commands.seed import CUSTOMERS, OPERATOR_PASSWORD
from tests.contract.endpoints import Endpoint
from tests.journeys.system import System


@pytest.fixture(scope="session")
def by_key(whole_system: System) -> Iterator[httpx2.Client]:
    """Call as a server whose key may do everything that a key may do."""
    with whole_system.client() as client:
        yield client


@pytest.fixture(scope="session")
def by_customer(whole_system: System) -> Iterator[httpx2.Client]:
    """Call as a customer."""
    with httpx2.Client(base_url=whole_system.url, timeout=30) as client:
        body = {"email": CUSTOMERS[0][0], "password": OPERATOR_PASSWORD}
        token = client.post("/api/v1/auth/tokens", json=body).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture(scope="session")
def anonymous(whole_system: System) -> Iterator[httpx2.Client]:
    """Call without saying who one is."""
    with httpx2.Client(base_url=whole_system.url, timeout=30) as client:
        yield client


@pytest.fixture
def allowed(endpoint: Endpoint, by_key: httpx2.Client, by_customer: httpx2.Client) -> httpx2.Client:
    """Call as somebody who may: a key, or a person where it takes one."""
    keys = [way["api_key"] for way in endpoint.node.get("security", ()) if "api_key" in way]
    for_people = any(scope.endswith(":own") for scopes in keys for scope in scopes)
    return by_customer if for_people else by_key
