"""The ledger tells everything that moved, in order, and adds up."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from .running import Simulator, unique


@pytest.fixture(scope="module")
def with_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Run a simulator where something of every kind has happened, in two currencies."""
    simulator = Simulator(ledger=tmp_path_factory.mktemp("history") / "ledger.db")
    for currency in ("EUR", "JPY"):
        first, second, _third = (
            simulator.an_authorization(amount=amount, currency=currency) for amount in (1_000, 2_000, 4_000)
        )
        simulator.capture(first, 600)
        simulator.capture(first, 400)
        simulator.refund(first, 250)
        simulator.void(second)
        simulator.authorise(token="tok_declined", currency=currency)
    yield simulator
    simulator.stop()


class TestEntries:
    def test_tell_what_moved_under_which_key(self, simulator: Simulator) -> None:
        reference, keys = unique("order"), [unique() for _ in range(2)]
        authorization_id = simulator.an_authorization(reference=reference, amount=900, key=keys[0])
        capture_id = simulator.capture(authorization_id, 300, key=keys[1]).json()["id"]

        first, second = simulator.entries(reference)

        assert (first["kind"], first["amount"], first["key"]) == ("authorise", 900, keys[0])
        assert first["resource_id"] == first["authorization_id"] == authorization_id
        assert (second["kind"], second["amount"], second["key"]) == ("capture", 300, keys[1])
        assert (second["resource_id"], second["authorization_id"]) == (capture_id, authorization_id)
        assert second["sequence"] > first["sequence"]
        assert {first["currency"], second["currency"]} == {"EUR"}

    def test_are_read_page_by_page_without_gap_or_overlap(self, with_history: Simulator) -> None:
        pages: list[list[dict[str, Any]]] = []
        after: int | None = 0
        while after is not None:
            page = with_history.get("/v1/ledger", after=after, limit=4)
            pages.append(page["entries"])
            after = page["next_after"]

        assert [len(page) for page in pages] == [4, 4, 4, 2]
        assert [entry["sequence"] for page in pages for entry in page] == list(range(1, 15))


class TestSummary:
    def test_equals_the_sum_of_the_entries(self, with_history: Simulator) -> None:
        summary = with_history.get("/v1/ledger/summary")

        sums: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for entry in with_history.get("/v1/ledger", limit=1_000)["entries"]:
            sums[entry["currency"], entry["kind"]].append(entry["amount"])
        told = {(row["currency"], row["kind"]): (row["count"], row["amount"]) for row in summary["entries"]}
        assert told == {kind: (len(amounts), sum(amounts)) for kind, amounts in sums.items()}

        rows = {row["status"]: row for row in summary["authorizations"] if row["currency"] == "EUR"}
        assert rows["authorized"] == {
            "currency": "EUR",
            "status": "authorized",
            "count": 2,
            "amount": 5_000,
            "captured": told["EUR", "capture"][1],
            "refunded": told["EUR", "refund"][1],
        }
        assert rows["voided"]["amount"] == told["EUR", "void"][1] == 2_000
        assert rows["authorized"]["amount"] + rows["voided"]["amount"] == told["EUR", "authorise"][1]
        assert (rows["declined"]["count"], rows["declined"]["captured"]) == (1, 0)
