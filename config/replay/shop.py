"""A shop that sends baskets as orders through the public API, several at a time, in the order of their time."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx2

from config.replay.dataset import CURRENCY, Basket

CONNECTIONS = 8
PATIENCE = 5  # tries of one basket
PAUSE = 0.2  # seconds between two tries
#: One basket in a hundred is paid with a card that is declined, one in two hundred with an empty account.
DECLINED, INSUFFICIENT = 7, (13, 113)


@dataclass(slots=True)
class Tally:
    """What became of the baskets that were sent."""

    answers: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    order_ids: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """Return the time within which this share of the requests was answered, in milliseconds."""
        ordered = sorted(self.milliseconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    @property
    def rate(self) -> float:
        """Return how many requests were answered per second."""
        return len(self.milliseconds) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayShop:
    """Sends baskets under keys of their own, so that a replay that was cut off is simply repeated."""

    url: str
    api_key: str
    run: str

    def send_all(self, baskets: Iterator[Basket], *, most: int, on_answer: Callable[[], None]) -> Tally:
        """Send the baskets and count the answers."""
        tally, lock = Tally(), threading.Lock()
        remaining = islice(baskets, most)

        def send_next() -> None:
            with self._client() as client:
                while True:
                    with lock:
                        basket = next(remaining, None)
                    if basket is None:
                        return
                    outcome, order_id, milliseconds = self._send(client, basket)
                    with lock:
                        tally.answers[outcome] += 1
                        tally.milliseconds.append(milliseconds)
                        tally.order_ids += [order_id] if order_id else []
                        on_answer()

        started = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as connections:
            for done in [connections.submit(send_next) for _ in range(CONNECTIONS)]:
                done.result()
        tally.seconds = time.perf_counter() - started
        return tally

    def _client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.api_key}"}, timeout=30)

    def _send(self, client: httpx2.Client, basket: Basket) -> tuple[str, str | None, float]:
        headers = {"Idempotency-Key": f"replay-{self.run}-{basket.id}"}
        for attempt in range(PATIENCE):
            if attempt:
                time.sleep(PAUSE * attempt)
            started = time.perf_counter()
            try:
                answer = client.post("/api/v1/orders", json=order_of(basket), headers=headers)
            except httpx2.TransportError:
                continue
            milliseconds = (time.perf_counter() - started) * 1000
            if answer.status_code >= 500 or _is_busy(answer):
                continue
            return _outcome_of(answer), answer.json().get("id"), milliseconds
        return "failed", None, 0.0


def order_of(basket: Basket) -> Mapping[str, Any]:
    """Return the basket as the body of a request for an order."""
    return {
        "currency": CURRENCY,
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in basket.units.items()],
        "email": f"household-{basket.household}@example.com",
        "shipping_address": {
            "name": f"Household {basket.household}",
            "line1": f"{basket.household} Vine Street",
            "city": "Cincinnati",
            "region": "OH",
            "postal_code": "45202",
            "country": "US",
        },
        "shipping_method": "standard",
        "payment": {"method": "simulator", "token": _token_of(basket)},
    }


def _token_of(basket: Basket) -> str:
    if basket.id % 100 == DECLINED:
        return "tok_declined"
    return "tok_insufficient_funds" if basket.id % 200 in INSUFFICIENT else "tok_approved"


def _is_busy(answer: httpx2.Response) -> bool:
    return answer.status_code == 409 and bool(answer.json().get("code") == "idempotency_key_in_use")


def _outcome_of(answer: httpx2.Response) -> str:
    if answer.status_code == 201:
        return "placed before" if "Idempotency-Replayed" in answer.headers else "placed"
    code = str(answer.json().get("code", answer.status_code))
    return "refused for stock" if code == "insufficient_stock" else code
