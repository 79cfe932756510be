"""Two hundred buyers, one unit: exactly one order, and everybody else is told why not."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.journeys.orders import an_order, place
from tests.journeys.system import System

pytestmark = pytest.mark.journey

BUYERS = 200
AT_ONCE = 50


class TestLastUnit:
    def test_is_sold_once_to_two_hundred_buyers(self, system: System) -> None:
        sku = with_units(system, 1)
        answers = buy_at_once(system, sku)

        assert answers == Counter({(201, ""): 1, (409, "insufficient_stock"): BUYERS - 1})
        assert held_of(system, sku) == 1

    def test_ten_units_make_ten_orders(self, system: System) -> None:
        sku = with_units(system, 10)
        answers = buy_at_once(system, sku)

        assert answers == Counter({(201, ""): 10, (409, "insufficient_stock"): BUYERS - 10})
        assert held_of(system, sku) == 10


class TestOneKey:
    def test_makes_one_order_of_fifty_parallel_requests(self, system: System) -> None:
        sku = with_units(system, 100)

        def send(_: int) -> tuple[int, str]:
            with system.client() as shop:
                start.wait()
                answer = place(shop, an_order(sku), key=f"one-key-{sku}")
                return answer.status_code, answer.json().get("id") or answer.json()["code"]

        start = Barrier(AT_ONCE)
        with ThreadPoolExecutor(AT_ONCE) as buyers:
            answers = Counter(buyers.map(send, range(AT_ONCE)))

        orders = {what for (status, what) in answers if status == 201}
        assert len(orders) == 1
        assert {answer for answer in answers if answer[0] != 201} <= {(409, "idempotency_key_in_use")}
        assert held_of(system, sku) == 1


def with_units(system: System, units: int) -> str:
    """Return a sku that has exactly so many units left to promise, in one place, by the operators' own API."""
    ((sku,),) = system.query(
        """
        SELECT sku FROM inventory_stock_item GROUP BY sku
        HAVING sum(held) = 0 AND count(*) = 1 LIMIT 1 OFFSET %s
        """,
        units % 7,
    )
    with system.client() as warehouse:
        (item,) = warehouse.get("/api/ops/v1/stock-items", params={"sku": sku}).json()["items"]
        answer = warehouse.post(
            f"/api/ops/v1/stock-items/{item['id']}/adjustments",
            json={"counted": units, "reason": "counted"},
            headers={"If-Match": "*"},
        )
        assert answer.status_code == 201, answer.text
    return str(sku)


def buy_at_once(system: System, sku: str) -> Counter[tuple[int, str]]:
    """Have everybody ask for one unit; return how often each answer was given."""
    start = Barrier(AT_ONCE)

    def buy(number: int) -> tuple[int, str]:
        if number < AT_ONCE:
            start.wait()
        with system.client() as shop:
            answer = place(shop, an_order(sku))
            return answer.status_code, answer.json().get("code", "")

    with ThreadPoolExecutor(AT_ONCE) as buyers:
        return Counter(buyers.map(buy, range(BUYERS)))


def held_of(system: System, sku: str) -> int:
    """Return how many units of the sku are promised."""
    ((held,),) = system.query("SELECT sum(held) FROM inventory_stock_item WHERE sku = %s", sku)
    return int(held)
