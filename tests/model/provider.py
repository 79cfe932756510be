"""A payment provider with a ledger of its own, which nothing that crashes here can touch."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contexts.payments.domain import Outcome, OutcomeStatus
from shared.domain.errors import ExternalAPIError, OutcomeUnknown
from shared.domain.money import Money
from tests.model.workers import reach

#: How long a request may be under way after its sender gave up waiting for an answer.
UNDER_WAY = timedelta(seconds=20)


class Mood(StrEnum):
    """What the provider, or the network before it, does with one request."""

    APPROVE = "approve"
    DECLINE = "decline"
    ASK_AND_APPROVE = "ask and approve"  # the customer is asked first, and agrees later
    ASK_AND_DECLINE = "ask and decline"
    LOSE_ANSWER = "lose answer"  # carried out, and the caller cannot tell
    LOSE_REQUEST = "lose request"  # never arrives, and the caller cannot tell
    ARRIVE_LATE = "arrive late"  # is carried out only after the caller has given up
    UNREACHABLE = "unreachable"  # never arrives, and the caller knows


ASKED = (Mood.ASK_AND_APPROVE, Mood.ASK_AND_DECLINE)
NO_ANSWER = (Mood.LOSE_ANSWER, Mood.LOSE_REQUEST, Mood.ARRIVE_LATE)


@dataclass(slots=True, kw_only=True)
class Authorization:
    """One line of the ledger: an amount that was asked for, and what came of it."""

    id: str
    key: str
    order_id: str
    amount: Money
    status: OutcomeStatus
    answer: OutcomeStatus | None = None  # what the customer will say, once asked
    was_charged: bool = False

    @property
    def outcome(self) -> Outcome:
        """Return what the provider tells of it."""
        code = "card_declined" if self.status is OutcomeStatus.DECLINED else None
        return Outcome(status=self.status, reference=self.id, failure_code=code)

    def settle(self, status: OutcomeStatus) -> None:
        """Decide it; money that is reserved stays on record as such, voided or not."""
        self.status = status
        self.was_charged |= status is OutcomeStatus.AUTHORIZED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    key: str
    amount: Money
    order_id: str
    arrives_at: timedelta


class Provider:
    """The port PaymentGateway: idempotent by key, moody by card."""

    def __init__(self) -> None:
        self.ledger: dict[str, Authorization] = {}
        self.complaints: list[str] = []
        self.must_be_outside_transactions: Callable[[], None] = lambda: None
        self._moods: dict[str, deque[Mood]] = {}
        self._card_of_key: dict[str, str] = {}
        self._under_way: list[_Request] = []
        self._elapsed = timedelta()

    def is_in_the_mood(self, moods: Iterable[Mood], *, card: str) -> None:
        """Have the next requests about the card treated so; later ones are approved."""
        self._moods[card] = deque(moods)

    def of_order(self, order_id: object) -> list[Authorization]:
        """Return what was asked for the order."""
        return [each for each in self.ledger.values() if each.order_id == str(order_id)]

    def authorize(self, *, key: str, amount: Money, token: str, reference: str) -> Outcome:
        """Reserve the amount, once per key; raise OutcomeUnknown when there is no telling whether it did."""
        self._card_of_key[key] = token
        mood = self._called(key)
        if mood is Mood.ARRIVE_LATE:
            late = _Request(key=key, amount=amount, order_id=reference, arrives_at=self._elapsed + UNDER_WAY)
            self._under_way.append(late)
        elif mood is not Mood.LOSE_REQUEST:
            self._carry_out(key=key, amount=amount, order_id=reference, mood=mood)
        self._answer(mood)
        return self.ledger[key].outcome

    def find(self, *, key: str) -> Outcome | None:
        """Return what came of the authorisation that was sent under the key; None when it never arrived."""
        self._answer(self._called(key))
        found = self.ledger.get(key)
        return found.outcome if found else None

    def void(self, *, key: str, reference: str) -> None:
        """Give the reservation up, once per key; doing it twice is harmless."""
        found = next((each for each in self.ledger.values() if each.id == reference), None)
        if found is None or not found.was_charged:
            self.complaints.append(f"asked to void {reference!r}, which is not reserved")
            return
        mood = self._called(found.key)
        if mood not in (Mood.LOSE_REQUEST, Mood.ARRIVE_LATE):
            found.settle(OutcomeStatus.VOIDED)
        self._answer(mood)

    def customers_answer(self) -> None:
        """Have every customer who was asked say what they think."""
        for each in self.ledger.values():
            if each.status is OutcomeStatus.PENDING and each.answer is not None:
                each.settle(each.answer)

    def let_time_pass(self, pause: timedelta) -> None:
        """Have requests that are under way arrive."""
        self._elapsed += pause
        arrived = [request for request in self._under_way if request.arrives_at <= self._elapsed]
        self._under_way = [request for request in self._under_way if request.arrives_at > self._elapsed]
        for request in arrived:
            self._carry_out(key=request.key, amount=request.amount, order_id=request.order_id, mood=Mood.APPROVE)

    def _called(self, key: str) -> Mood:
        self.must_be_outside_transactions()
        moods = self._moods.get(self._card_of_key.get(key, ""))
        mood = moods.popleft() if moods else Mood.APPROVE
        if mood is Mood.UNREACHABLE:
            raise ExternalAPIError(provider="model")
        return mood

    def _answer(self, mood: Mood) -> None:
        reach("provider.after_call")
        if mood in NO_ANSWER:
            raise OutcomeUnknown(provider="model")

    def _carry_out(self, *, key: str, amount: Money, order_id: str, mood: Mood) -> None:
        known = self.ledger.get(key)
        if known is not None:
            if (known.amount, known.order_id) != (amount, order_id):
                self.complaints.append(f"{key} was sent before with another amount or order")
            return
        entry = Authorization(
            id=f"auth_{len(self.ledger) + 1}", key=key, order_id=order_id, amount=amount, status=OutcomeStatus.PENDING
        )
        self.ledger[key] = entry
        if mood in ASKED:
            entry.answer = OutcomeStatus.AUTHORIZED if mood is Mood.ASK_AND_APPROVE else OutcomeStatus.DECLINED
        else:
            entry.settle(OutcomeStatus.DECLINED if mood is Mood.DECLINE else OutcomeStatus.AUTHORIZED)
