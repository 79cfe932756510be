"""Composition root: payments' use cases, ready to call."""

from django.utils import timezone

from contexts.payments.gateways import ConfiguredGateways
from contexts.payments.repositories import DjangoPayments
from contexts.payments.sagas import Voiding
from contexts.payments.use_cases import AuthorizePayment, ReturnMoney, VoidPayment
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from shared.saga.registry import register

_payments = DjangoPayments()

gateways = ConfiguredGateways()
authorize_payment = AuthorizePayment(
    payments=_payments, gateways=gateways, unit_of_work=atomic, new_id=new_id, now=timezone.now
)
void_payment = VoidPayment(payments=_payments, gateways=gateways, unit_of_work=atomic, now=timezone.now)
voiding = Voiding(void_payment=void_payment)
return_money = ReturnMoney(payments=_payments, begin_voiding=register(voiding.saga), unit_of_work=atomic)
