"""The guarantees G1 to G5, as a game against Orderly: whatever happens in whatever order, they hold.

A state machine (hypothesis) drives the use cases, processes and handlers of ordering, inventory and payments, and
compares them with a model after each step: what callers were told, what the provider has in its ledger, and laws
that hold at any moment (``laws.py``). At the end of each game everything is run until nothing is left to do, and
then each order is confirmed, paid exactly once and in stock, or cancelled with nothing left behind.

What may happen (``machine.py``): orders for more than there is, retries with the same key, cancellations at any
moment, adjustments of stock, events delivered late, in any order, twice, and with the mark of the first time lost.
Any work may stop at any commit, at any answer of the provider and between reading and promising stock; it dies
there, or goes on later, when its lease is long over and others have done its work. The provider approves,
declines, asks the customer, loses requests and answers, is unreachable, and carries requests out late. The clock
jumps past leases, soft holds and deadlines.

What is not modelled: carts (there are none yet), captures, refunds and webhooks; two transactions that wait for each
other's locks (``tests/journeys/test_last_unit.py`` has real ones); processes that are really killed
(``tests/chaos``); HTTP; dead letters and operators who revive them; a network that carries a request for longer
than ``UNDER_WAY``, and a provider that breaks its own idempotency.

Three ways to play:

* on fakes: thousands of steps in seconds, the same in each run;
* on PostgreSQL: fewer steps of the same rules, through the real repositories, processes, outbox and keys;
* on fakes with a planted fault (``faults.py``): the game must be lost, else it proves nothing.

``MODEL=long`` plays a hundred times longer, other games in each run; for releases.
"""

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.desk import SKUS
from tests.model.faults import FAULTS, Fault, with_fault
from tests.model.machine import Late, OrderlyMachine
from tests.model.memory import InMemoryShop
from tests.model.postgres import PostgresShop, own_registries
from tests.model.provider import Mood
from tests.model.shop import Shop
from tests.model.workers import RUNS_ON, Fate, Workers, some_workers

IS_LONG = os.environ.get("MODEL") == "long"

QUICK = settings(
    max_examples=20_000 if IS_LONG else 250,
    stateful_step_count=50,
    derandomize=not IS_LONG,
    database=None,
    deadline=None,
    print_blob=IS_LONG,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
#: Not shortened when it fails: that takes minutes there; the fakes are the place to look for a short one.
ON_POSTGRES = settings(QUICK, max_examples=1_000 if IS_LONG else 25, stateful_step_count=30, phases=[Phase.generate])
UNTIL_FOUND = settings(QUICK, max_examples=2_000, derandomize=False, phases=[Phase.generate])


def play(make_shop: Callable[[], Shop], workers: Workers, how: settings, *, with_seed: int | None = None) -> None:
    """Play games until the number is reached or one is lost; then show the shortest that is."""

    class Machine(OrderlyMachine):
        def __init__(self) -> None:
            super().__init__(make_shop(), workers)

    run_state_machine_as_test(Machine if with_seed is None else seed(with_seed)(Machine), settings=how)


@pytest.mark.timeout(7200 if IS_LONG else 300)
class TestOrderly:
    def test_keeps_every_promise_on_fakes(self) -> None:
        with some_workers() as workers:
            play(InMemoryShop, workers, QUICK)

    @pytest.mark.django_db(transaction=True)
    def test_keeps_every_promise_on_postgresql(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with own_registries(monkeypatch), some_workers(hang_up=connections.close_all) as workers:
            play(PostgresShop, workers, ON_POSTGRES)


class TestLateWorker:
    """Shortest games that were once lost; each worker sleeps in the middle of its work until all is over without it."""

    @pytest.mark.parametrize("mood", [Mood.APPROVE, Mood.ASK_AND_APPROVE, Mood.LOSE_ANSWER])
    def test_charges_nobody_when_it_had_not_sent_the_request(self, mood: Mood) -> None:
        self.play_with_worker_stopped_after(points=0, mood=mood)

    @pytest.mark.parametrize("mood", [Mood.APPROVE, Mood.ASK_AND_APPROVE])
    def test_charges_nobody_when_it_had_not_noted_the_answer(self, mood: Mood) -> None:
        self.play_with_worker_stopped_after(points=2, mood=mood)

    def play_with_worker_stopped_after(self, *, points: int, mood: Mood = Mood.APPROVE) -> None:
        with some_workers() as workers:
            game = OrderlyMachine(InMemoryShop(), workers)
            game.open(units=[1, 0], backorder=0, late_workers=Late.AFTER_EVERYTHING)
            game.somebody_orders(wanted=[(SKUS[0], 1)], moods=[mood], fate=RUNS_ON)
            game.every_promise_is_kept()
            game.a_process_is_cut_short(which=0, fate=Fate(points=points))
            game.time_passes(pause=timedelta(minutes=31))
            game.teardown()


class TestModel:
    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
    def test_is_lost_by_code_that(self, fault: Fault) -> None:
        with some_workers() as workers, pytest.raises(AssertionError, match=fault.is_told_by):
            play(lambda: with_fault(fault), workers, UNTIL_FOUND, with_seed=fault.seed)
