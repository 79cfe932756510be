"""Every operation of both APIs, asked for by everybody: nobody gets in where they do not belong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from shared.http.json import to_json
from tests.access.callers import Caller, everybody
from tests.access.expectations import ADDRESS, SCOPES, Keys, Outcome, Personal, Rule, Scoped
from tests.access.operations import ALL, Operation
from tests.shop import Shop, an_order, open_shop
from tests.webhooks.builders import an_endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A shop with an order of a customer, and everybody who asks for it."""

    known: Mapping[str, object]
    callers: list[Caller]


@pytest.fixture
def world(db: None) -> World:
    """Build the world."""
    shop, callers = open_shop(), everybody(SCOPES)
    return World(known=_things_of(shop, callers[0]), callers=callers)


class TestMatrix:
    def test_lets_in_whom_it_should_and_nobody_else(self, world: World) -> None:
        wrong = []
        for operation, rule, caller in each_of(world):
            expected = rule.expected(caller, method=operation.method)
            with _undone():
                status = _answer(operation, caller, world.known, rule.body).status_code
            if _outcome(status, rule) != expected:
                wrong.append(f"{operation.id}, {caller.name}: {status} instead of {expected}")
        assert not wrong, "\n".join(wrong)

    def test_lets_owners_have_what_is_theirs(self, world: World) -> None:
        wrong = []
        for operation, rule, caller in each_of(world):
            if _is_owned(rule) and rule.expected(caller, method=operation.method) == "in":
                with _undone():
                    status = _answer(operation, caller, world.known, rule.body).status_code
                if not 200 <= status < 300:
                    wrong.append(f"{operation.id}, {caller.name}: {status}")
        assert not wrong, "\n".join(wrong)

    def test_says_the_same_of_what_is_hidden_and_of_what_is_not_there(self, world: World) -> None:
        for operation, rule, caller in each_of(world):
            if _is_owned(rule) and rule.expected(caller, method=operation.method) == 404:
                hidden, absent = (_said(operation, caller, known, rule.body) for known in (world.known, {}))
                assert hidden == absent, (operation.id, caller.name)

    def test_counts_every_request(self, world: World) -> None:
        for operation, rule, caller in each_of(world):
            if caller.name in ("anonymous", "customer", "key with ops:*"):
                with _undone():
                    answer = _answer(operation, caller, world.known, rule.body)
                assert "RateLimit" in answer, (operation.id, caller.name)


def each_of(world: World) -> Iterator[tuple[Operation, Rule, Caller]]:
    """Yield every operation that has a row, with everybody who may ask for it."""
    for operation, rule in ALL:
        if rule is not None:
            for caller in world.callers:
                yield operation, rule, caller


@contextmanager
def _undone() -> Iterator[None]:
    """Run the block in a transaction as Django's own test cases have it, and undo it."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # as TestCase marks its own
    with block:
        yield
        transaction.set_rollback(True)


def _things_of(shop: Shop, customer: Caller) -> Mapping[str, object]:
    """Return what paths may name, by the name of the parameter."""
    order = shop.place(an_order(email=None), as_=customer.token)
    address = shop.post("/api/v1/me/addresses", ADDRESS, as_=customer.token)
    return {
        "order_id": order.json()["id"],
        "address_id": address.json()["id"],
        "endpoint_id": an_endpoint("http://127.0.0.1:9/hooks").id,
    }


def _answer(operation: Operation, caller: Caller, known: Mapping[str, object], body: Mapping[str, Any] | None) -> Any:
    url = operation.url(known)
    if operation.method == "get":
        return caller.client.get(url, headers=caller.headers)
    headers = caller.headers | {"Idempotency-Key": uuid4().hex}
    return caller.client.generic(
        operation.method.upper(), url, to_json(body or {}), content_type="application/json", headers=headers
    )


def _said(operation: Operation, caller: Caller, known: Mapping[str, object], body: Mapping[str, Any] | None) -> Any:
    with _undone():
        said = _answer(operation, caller, known, body).json()
    return [said["status"], said["code"], said["detail"], sorted(said)]


def _is_owned(rule: Rule) -> bool:
    return isinstance(rule, Personal | Scoped | Keys) and rule.owned


def _outcome(status: int, rule: Rule) -> Outcome:
    match status:
        case 401 | 403:
            return status
        case 404 if _is_owned(rule):
            return 404
        case _:
            return "in"
