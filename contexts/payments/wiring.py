"""Composition root: payments' use cases, ready to call."""

from contexts.payments.gateways import ConfiguredGateways
from contexts.payments.repositories import DjangoPayments
from contexts.payments.sagas import Voiding
from contexts.payments.use_cases import AuthorizePayment, RefusePayment, ResolvePayment, ReturnMoney, VoidPayment
from shared.audit.trail import record_change
from shared.persistence.clock import database_time
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from shared.saga.registry import register

_payments = DjangoPayments()

gateways = ConfiguredGateways()
void_payment = VoidPayment(payments=_payments, gateways=gateways, unit_of_work=atomic, now=database_time)
refuse_payment = RefusePayment(
    payments=_payments, void_payment=void_payment, unit_of_work=atomic, new_id=new_id, now=database_time
)
voiding = Voiding(void_payment=void_payment)
_begin_voiding = register(voiding.saga)
authorize_payment = AuthorizePayment(
    payments=_payments,
    gateways=gateways,
    begin_voiding=_begin_voiding,
    unit_of_work=atomic,
    new_id=new_id,
    now=database_time,
)
return_money = ReturnMoney(payments=_payments, begin_voiding=_begin_voiding, unit_of_work=atomic)
resolve_payment = ResolvePayment(
    payments=_payments,
    gateways=gateways,
    begin_voiding=_begin_voiding,
    record_change=record_change,
    unit_of_work=atomic,
    now=database_time,
)
